//! The set-based functions do to many rows what they do to each of them, one after the other.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use std::fmt::Debug;

use domain::{Account, Entry, GatewayPaymentId, LedgerKind, OrderId, OrderStatus, PaymentId};
use sqlx::Connection;
use store::captures::Fulfilled;
use store::orders::StatusChange;
use store::payments::{NotPaid, PaidBy};
use store::settlements::Settling;
use store::stock::HoldRequest;
use store::{Conn, captures, holds, ledger, orders, payments, settlements, stock};
use support::{GatewayNames, TestDatabase, inr, posting, request, sku, test_database};
use uuid::Uuid;

/// All at once, taken back, and one after the other: the same answers and the same rows.
async fn same<T, A: Debug + PartialEq>(
    db: &TestDatabase,
    items: &[T],
    apply: impl AsyncFn(&mut Conn, &[T]) -> Vec<A>,
) -> Vec<A> {
    let mut conn = db.conn().await;
    let mut tx = conn.begin().await.unwrap();
    let mut batch = tx.begin().await.unwrap();
    let at_once = apply(&mut batch, items).await;
    let rows_at_once = rows(&mut batch).await;
    batch.rollback().await.unwrap();
    let mut in_turn = Vec::new();
    for item in items {
        in_turn.extend(apply(&mut tx, std::slice::from_ref(item)).await);
    }
    let rows_in_turn = rows(&mut tx).await;
    tx.commit().await.unwrap();
    for answer in &at_once {
        assert!(in_turn.contains(answer), "{answer:?} of {at_once:?} is not in {in_turn:?}");
    }
    assert_eq!(at_once.len(), in_turn.len(), "{at_once:?} is not {in_turn:?}");
    assert_eq!(rows_at_once, rows_in_turn, "the same rows");
    at_once
}

/// What these functions write, times and ids of the database's own aside.
async fn rows(conn: &mut Conn) -> Vec<String> {
    let all = "
        select concat_ws(' ', 'order', order_id, status, reason_code, version, paid_at) from orders
        union all
        select concat_ws(' ', 'event', order_id, from_status, to_status, actor, reason, at)
        from order_events
        union all
        select concat_ws(' ', 'stock', sku, available, reserved, sold) from inventory
        union all
        select concat_ws(' ', 'hold', hold_id, state) from holds
        union all
        select concat_ws(' ', 'moved', hold_id, sku, kind, available_delta, sold_delta)
        from stock_movements
        union all
        select concat_ws(' ', 'payment', payment_id, status, gateway_payment_id, failure_code)
        from payments
        union all
        select concat_ws(' ', 'capture', gateway_payment_id, order_id, disposition, at)
        from gateway_captures
        union all
        select concat_ws(' ', 'posted', t.payment_ref, t.kind, t.at, e.entry_no, e.account,
                         e.debit_minor, e.credit_minor)
        from ledger_transactions t
        left join ledger_entries e on e.ledger_transaction_id = t.ledger_transaction_id
        order by 1";
    sqlx::query_scalar(all).fetch_all(conn).await.unwrap()
}

async fn placed(db: &TestDatabase, count: usize) -> Vec<OrderId> {
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(db.order(&[(&sku("A"), 1)]).await);
    }
    orders
}

#[tokio::test]
async fn many_orders_change_as_each_of_them_would() {
    let db = test_database().await;
    let mut ids = placed(&db, 6).await;
    assert!(db.move_to(ids[1], OrderStatus::Reserved).await);
    assert!(db.move_to(ids[2], OrderStatus::Cancelled).await);
    ids.push(Uuid::now_v7().into());
    ids.push(ids[0]);
    let codes = ["OUT_OF_STOCK", "DECLINED"];
    let changes: Vec<StatusChange<'_>> = ids
        .iter()
        .zip(codes.into_iter().cycle())
        .map(|(id, code)| StatusChange {
            reason_code: Some(code),
            ..StatusChange::new(*id, OrderStatus::Failed, code)
        })
        .collect();
    let open = [OrderStatus::Pending, OrderStatus::Reserved];
    let changed = same(&db, &changes, async |conn, changes| {
        orders::set_status(conn, &open, changes).await.unwrap()
    })
    .await;
    assert_eq!(changed, [&ids[..2], &ids[3..6]].concat(), "those that were open, once each");
}

#[tokio::test]
async fn many_holds_are_taken_and_ended_as_each_of_them_would() {
    let db = test_database().await;
    for round in 0..15_i64 {
        let a = db.product(&format!("A{round}"), 2 + round % 5).await;
        let b = db.product(&format!("B{round}"), 1 + round * 3 % 7).await;
        let mut wanted: Vec<HoldRequest> = placed(&db, 8)
            .await
            .into_iter()
            .zip(round..)
            .map(|(order, n)| match n % 3 {
                0 => request(order, &[(&a, 1 + n % 2)]),
                1 => request(order, &[(&b, 1), (&a, 1)]),
                _ => request(order, &[(&b, 1 + n % 4)]),
            })
            .collect();
        wanted.push(wanted[0].clone());
        same(&db, &wanted, async |conn, wanted| stock::take(conn, wanted).await.unwrap()).await;
        let mut ids: Vec<_> = wanted.iter().map(|wanted| wanted.hold_id).collect();
        let sold = ids.split_off(5);
        same(&db, &sold, async |conn, ids| stock::finalise(conn, ids).await.unwrap()).await;
        ids.extend(sold);
        same(&db, &ids, async |conn, ids| stock::release(conn, ids).await.unwrap()).await;
        same(&db, &ids, async |conn, ids| stock::restock(conn, ids).await.unwrap()).await;
        let left = holds::by_order(&mut *db.conn().await, wanted[0].order_id).await.unwrap();
        assert!(left.iter().all(|hold| hold.ended_at.is_some()), "all have ended: {left:?}");
    }
    let broken: Vec<_> = db.violations().await;
    assert_eq!(broken, [], "replayed movements give the counters");
}

/// Orders that await their money, with the payments of all and the captures of none.
async fn awaited(db: &TestDatabase, count: usize) -> Vec<(OrderId, PaymentId, GatewayNames)> {
    let mut awaited = Vec::new();
    for order in placed(db, count).await {
        let names = GatewayNames::of(order);
        let new = support::payment(order, &names, inr(1_000));
        let payment = payments::insert_pending(&mut *db.conn().await, &new).await.unwrap();
        awaited.push((order, payment.payment_id, names));
    }
    awaited
}

#[tokio::test]
async fn many_payments_are_marked_as_each_of_them_would() {
    let db = test_database().await;
    let all = awaited(&db, 8).await;
    let (paid, failed) = all.split_at(4);
    let mut changes: Vec<PaidBy<'_>> = paid
        .iter()
        .map(|(_, id, names)| PaidBy { payment_id: *id, gateway_payment_id: &names.payment })
        .collect();
    changes.push(changes[0]);
    changes.push(PaidBy { payment_id: Uuid::now_v7().into(), ..changes[1] });
    let marked = same(&db, &changes, async |conn, changes| {
        payments::mark_success(conn, changes).await.unwrap()
    })
    .await;
    assert_eq!(marked.len(), 4, "each once");
    let mut changes: Vec<NotPaid<'_>> = paid[..1]
        .iter()
        .chain(failed)
        .map(|(order, ..)| NotPaid { order_id: *order, failure_code: "DECLINED" })
        .collect();
    changes.push(NotPaid { failure_code: "SECOND", ..changes[1] });
    let marked = same(&db, &changes, async |conn, changes| {
        payments::mark_failed(conn, changes).await.unwrap()
    })
    .await;
    assert_eq!(marked.len(), 4, "what was paid stays paid");
}

#[tokio::test]
async fn many_captures_are_kept_and_posted_as_each_of_them_would() {
    let db = test_database().await;
    let all = awaited(&db, 6).await;
    for (order, ..) in &all[..5] {
        assert!(db.move_to(*order, OrderStatus::Reserved).await);
        assert!(db.move_to(*order, OrderStatus::Paid).await);
    }
    let known = |payment: &GatewayPaymentId, order: &str, disposition: &str| {
        format!(
            "insert into gateway_captures (gateway_payment_id, gateway_order_id, order_id,
                                           amount_minor, currency, disposition, refund_id)
             values ('{payment}', 'x', {order}, 1000, 'INR', '{disposition}', gen_random_uuid())"
        )
    };
    let other = format!("'{}'", all[0].0);
    db.run(&known(&all[1].2.payment, &other, "OPEN")).await.unwrap();
    db.run(&known(&all[2].2.payment, "null", "REVIEW")).await.unwrap();
    db.run(&known(&all[3].2.payment, &format!("'{}'", all[3].0), "REFUNDED")).await.unwrap();
    let mut kept: Vec<Fulfilled<'_>> = all
        .iter()
        .map(|(order, _, names)| Fulfilled {
            gateway_payment_id: &names.payment,
            gateway_order_id: &names.order,
            order_id: *order,
            amount: inr(1_000),
        })
        .collect();
    kept.push(kept[0]);
    let kept = same(&db, &kept, async |conn, kept| captures::fulfil(conn, kept).await.unwrap());
    let mut wanted = [0, 2, 4].map(|place: usize| all[place].2.payment.clone());
    wanted.sort();
    let mut kept = kept.await;
    kept.sort();
    assert_eq!(kept, wanted, "not another's, not what went back, not what is unpaid, none twice");

    let entries = [Entry::debit(Account::Gateway, inr(7)), Entry::credit(Account::Sales, inr(7))];
    let mut postings: Vec<_> = all
        .iter()
        .map(|(order, _, names)| {
            posting(*order, LedgerKind::Capture, names.payment.as_str(), &entries)
        })
        .collect();
    postings.push(posting(all[0].0, LedgerKind::Capture, all[1].2.payment.as_str(), &entries));
    let added = same(&db, &postings, async |conn, postings| {
        ledger::post_all(conn, postings).await.unwrap()
    })
    .await;
    assert_eq!(added.len(), 6, "a payment is posted once, for the order that came first");
}

#[tokio::test]
async fn one_lopsided_posting_keeps_all_of_its_batch_out_of_the_ledger() {
    let db = test_database().await;
    let orders = placed(&db, 2).await;
    let pair = [Entry::debit(Account::Gateway, inr(7)), Entry::credit(Account::Sales, inr(7))];
    let postings = [
        posting(orders[0], LedgerKind::Capture, "pay_1", &pair),
        posting(orders[1], LedgerKind::Capture, "pay_2", &pair[..1]),
    ];
    let mut conn = db.conn().await;
    let refused = ledger::post_all(&mut conn, &postings).await;
    assert!(matches!(refused, Err(store::Error::Unbalanced)), "{refused:?}");
    let left = ledger::by_order(&mut conn, orders[0]).await.unwrap();
    assert_eq!(left, [], "nothing was written");
}

#[tokio::test]
async fn a_look_at_many_settlements_shows_how_each_stands() {
    let db = test_database().await;
    let settled = db.settled().await;
    let all = awaited(&db, 3).await;
    let missing = GatewayNames::of(Uuid::now_v7().into());
    let never = Uuid::now_v7().into();
    let mut settling: Vec<Settling<'_>> = all
        .iter()
        .map(|(order, _, names)| Settling {
            order_id: *order,
            hold_id: never,
            gateway_order_id: &names.order,
            gateway_payment_id: &names.payment,
        })
        .collect();
    settling.push(Settling { gateway_payment_id: &settled.names.payment, ..settling[0] });
    settling.push(Settling { order_id: Uuid::now_v7().into(), ..settling[1] });
    settling.push(Settling { gateway_order_id: &missing.order, ..settling[2] });
    settling.push(Settling {
        order_id: settled.order,
        hold_id: settled.hold,
        gateway_order_id: &settled.names.order,
        gateway_payment_id: &settled.names.payment,
    });
    let seen = same(&db, &settling, async |conn, settling| {
        settlements::look(conn, "razorpay", settling).await.unwrap()
    })
    .await;
    let stands = |place: usize| seen[place].clone().unwrap();
    assert_eq!(stands(0).payment.unwrap().payment_id, all[0].1, "its own payment");
    assert_eq!((stands(0).hold, stands(0).disposition, stands(0).is_posted), (None, None, false));
    assert!(stands(3).is_anothers && stands(3).is_posted, "another's payment: {seen:?}");
    assert_eq!(seen[4], None, "there is no such order");
    assert_eq!(stands(5).payment, None, "nor such a gateway order");
    assert!(!stands(6).is_anothers && stands(6).is_posted, "its own: {seen:?}");
    assert_eq!(stands(6).hold, Some(domain::HoldState::Finalised));
}
