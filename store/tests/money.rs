//! Money: an order is paid once, the ledger balances, no more goes back than came in.

mod support;

use std::sync::Arc;

use domain::{
    Account, Disposition, Entry, GatewayPaymentId, LedgerKind, OrderStatus, PaymentId,
    PaymentStatus, RefundId,
};
use store::captures::NewCapture;
use store::payments::NewPayment;
use store::refunds::{Asked, NewRefund};
use store::{Error, captures, ledger, payments, refunds};
use support::{GatewayNames, Settled, inr, posting, test_database};
use tokio::task::JoinSet;
use uuid::Uuid;

fn refund<'a>(settled: &'a Settled, minor: i64, key: &'a str) -> NewRefund<'a> {
    NewRefund {
        refund_id: RefundId::from(Uuid::now_v7()),
        order_id: settled.order,
        gateway_payment_id: &settled.names.payment,
        gateway_refund_id: None,
        amount: inr(minor),
        asked: Some(inr(minor)),
        idempotency_key: key,
        reason: "asked",
        override_reason: None,
        actor: "test",
        watched: true,
    }
}

#[tokio::test]
async fn fifty_sessions_at_once_share_one_pending_payment() {
    let db = Arc::new(test_database().await);
    let order = db.order(&[(&support::sku("A"), 1)]).await;
    let mut sessions = JoinSet::new();
    for _ in 0..50 {
        let db = db.clone();
        sessions.spawn(async move {
            let names = GatewayNames::of(order);
            let payment = support::payment(order, &names, inr(1_000));
            payments::insert_pending(&mut *db.conn().await, &payment).await.unwrap().payment_id
        });
    }
    let mut ids = sessions.join_all().await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1, "all see the same payment");
    let found = payments::by_order(&mut *db.conn().await, order).await.unwrap();
    assert_eq!(found.len(), 1, "and there is one row");
}

#[tokio::test]
async fn a_second_paid_payment_of_an_order_is_refused() {
    let db = test_database().await;
    let settled = db.settled().await;
    let other = GatewayNames {
        order: "order_other".parse().unwrap(),
        payment: "pay_other".parse().unwrap(),
    };
    let second = support::payment(settled.order, &other, inr(2_000));
    let mut conn = db.conn().await;
    payments::insert_pending(&mut conn, &second).await.unwrap();
    let refused = support::paid(&mut conn, second.payment_id, &other.payment).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let again = support::paid(&mut conn, settled.payment, &settled.names.payment).await;
    assert!(!again.unwrap(), "marking the first again changes nothing");
    assert!(support::declined(&mut conn, settled.order).await.unwrap());
    assert_eq!(db.violations().await, []);
}

#[tokio::test]
async fn a_refunded_payment_still_counts_as_the_one_payment() {
    let db = test_database().await;
    let settled = db.settled().await;
    let mut conn = db.conn().await;
    let asked = refunds::insert_pending(&mut conn, &refund(&settled, 2_000, "k")).await.unwrap();
    let Asked::Added(made) = asked else { unreachable!("{asked:?}") };
    refunds::mark_processed(&mut conn, made.refund_id, &"rfnd_1".parse().unwrap()).await.unwrap();
    assert!(payments::mark_refunded(&mut conn, &settled.names.payment).await.unwrap());
    let other = GatewayNames {
        order: "order_other".parse().unwrap(),
        payment: "pay_other".parse().unwrap(),
    };
    let second = support::payment(settled.order, &other, inr(2_000));
    payments::insert_pending(&mut conn, &second).await.unwrap();
    let refused = support::paid(&mut conn, second.payment_id, &other.payment).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
}

#[tokio::test]
async fn money_may_come_to_the_gateway_order_of_a_failed_payment() {
    let db = test_database().await;
    let order = db.order(&[(&support::sku("A"), 1)]).await;
    let names = GatewayNames::of(order);
    let first = support::payment(order, &names, inr(1_000));
    let mut conn = db.conn().await;
    payments::insert_pending(&mut conn, &first).await.unwrap();
    support::declined(&mut conn, order).await.unwrap();
    let second = NewPayment { payment_id: PaymentId::from(Uuid::now_v7()), ..first };
    let revived = payments::insert_pending(&mut conn, &second).await.unwrap();
    assert_eq!(revived.payment_id, second.payment_id, "a payment of its own");
    assert!(support::paid(&mut conn, second.payment_id, &names.payment).await.unwrap());
    let found = payments::by_gateway_order(&mut conn, "razorpay", &names.order).await.unwrap();
    assert_eq!(found.status, PaymentStatus::Success, "the one that did not fail comes first");
}

#[tokio::test]
async fn a_payments_ledger_is_written_once_and_only_balanced() {
    let db = test_database().await;
    let settled = db.settled().await;
    let amount = inr(2_000);
    let pair = [Entry::debit(Account::Gateway, amount), Entry::credit(Account::Sales, amount)];
    let reference = settled.names.payment.as_str();
    let mut conn = db.conn().await;
    let again = posting(settled.order, LedgerKind::Capture, reference, &pair);
    assert!(!ledger::post(&mut conn, &again).await.unwrap(), "this capture is in the ledger");
    let lopsided = posting(settled.order, LedgerKind::Refund, "refund", &pair[..1]);
    let refused = ledger::post(&mut conn, &lopsided).await;
    assert!(matches!(refused, Err(Error::Unbalanced)), "{refused:?}");
    let back = pair.map(Entry::reversed);
    let refund = posting(settled.order, LedgerKind::Refund, "refund", &back);
    assert!(ledger::post(&mut conn, &refund).await.unwrap());
    let found = ledger::by_order(&mut conn, settled.order).await.unwrap();
    let entries: Vec<_> = found.iter().map(|posted| posted.entry).collect();
    assert_eq!(entries, [pair, back].concat(), "both transactions stand, in order");
}

#[tokio::test]
async fn refunds_at_once_never_give_back_more_than_came_in() {
    let db = Arc::new(test_database().await);
    let settled = Arc::new(db.settled().await);
    let mut asking = JoinSet::new();
    for n in 0..12 {
        let (db, settled) = (db.clone(), settled.clone());
        asking.spawn(async move {
            let mut tx = db.pool.begin().await.unwrap();
            let key = format!("key {n}");
            let asked = refunds::insert_pending(&mut tx, &refund(&settled, 300, &key)).await;
            tx.commit().await.unwrap();
            asked.unwrap()
        });
    }
    let answers = asking.join_all().await;
    let added = answers.iter().filter(|a| matches!(a, Asked::Added(_))).count();
    assert_eq!(added, 6, "six times 3.00 fit into 20.00");
    assert!(answers.contains(&Asked::TooMuch(inr(200))), "the rest is told what is left");
}

#[tokio::test]
async fn a_refund_is_made_once_for_its_key_and_moves_the_payment() {
    let db = test_database().await;
    let settled = db.settled().await;
    let mut conn = db.conn().await;
    let (part, rest) = (refund(&settled, 500, "part"), refund(&settled, 1_500, "rest"));
    let asked = refunds::insert_pending(&mut conn, &part).await.unwrap();
    assert!(matches!(asked, Asked::Added(_)), "{asked:?}");
    let repeat = NewRefund { refund_id: RefundId::from(Uuid::now_v7()), ..part.clone() };
    let known = refunds::insert_pending(&mut conn, &repeat).await.unwrap();
    assert!(matches!(&known, Asked::Known(r) if r.refund_id == part.refund_id), "{known:?}");
    let payment = &settled.names.payment;
    assert!(!payments::mark_refunded(&mut conn, payment).await.unwrap(), "nothing went back yet");
    let (first, second) = ("rfnd_1".parse().unwrap(), "rfnd_2".parse().unwrap());
    assert!(refunds::mark_processed(&mut conn, part.refund_id, &first).await.unwrap());
    assert!(!refunds::mark_processed(&mut conn, part.refund_id, &first).await.unwrap());
    assert!(payments::mark_refunded(&mut conn, payment).await.unwrap());
    assert!(!payments::mark_refunded(&mut conn, payment).await.unwrap(), "once");
    let status = |found: Vec<payments::Payment>| found[0].status;
    let found = payments::by_order(&mut conn, settled.order).await.unwrap();
    assert_eq!(status(found), PaymentStatus::PartiallyRefunded);
    refunds::insert_pending(&mut conn, &rest).await.unwrap();
    assert!(refunds::mark_processed(&mut conn, rest.refund_id, &second).await.unwrap());
    assert!(payments::mark_refunded(&mut conn, payment).await.unwrap());
    let found = payments::by_order(&mut conn, settled.order).await.unwrap();
    assert_eq!(status(found), PaymentStatus::Refunded);
    let disposed =
        captures::dispose(&mut conn, payment, Disposition::Refunded, Some(rest.refund_id)).await;
    assert!(disposed.unwrap());
}

#[tokio::test]
async fn a_refund_that_failed_frees_its_amount() {
    let db = test_database().await;
    let settled = db.settled().await;
    let mut conn = db.conn().await;
    let all = refund(&settled, 2_000, "all");
    refunds::insert_pending(&mut conn, &all).await.unwrap();
    let failed = refunds::mark_failed(&mut conn, all.refund_id, None, "REFUSED").await.unwrap();
    assert_eq!(failed, refunds::Failed::FromPending);
    let again = refunds::mark_failed(&mut conn, all.refund_id, None, "REFUSED").await.unwrap();
    assert_eq!(again, refunds::Failed::Before, "once");
    let again = refund(&settled, 2_000, "again");
    let asked = refunds::insert_pending(&mut conn, &again).await.unwrap();
    assert!(matches!(asked, Asked::Added(_)), "{asked:?}");
    let unknown: GatewayPaymentId = "pay_unknown".parse().unwrap();
    let lost = NewRefund { gateway_payment_id: &unknown, ..again };
    let lost = refunds::insert_pending(&mut conn, &lost).await;
    assert!(matches!(lost, Err(Error::NotFound)), "no capture, no refund: {lost:?}");
}

#[tokio::test]
async fn a_refund_that_comes_back_takes_payment_and_capture_back_with_it() {
    let db = test_database().await;
    let settled = db.settled().await;
    let mut conn = db.conn().await;
    let payment = &settled.names.payment;
    let (part, rest) = (refund(&settled, 500, "part"), refund(&settled, 1_500, "rest"));
    for (refund, name) in [(&part, "rfnd_1"), (&rest, "rfnd_2")] {
        refunds::insert_pending(&mut conn, refund).await.unwrap();
        refunds::mark_processed(&mut conn, refund.refund_id, &name.parse().unwrap()).await.unwrap();
        payments::mark_refunded(&mut conn, payment).await.unwrap();
    }
    assert!(captures::restate(&mut conn, payment, rest.refund_id).await.unwrap(), "all of it");
    let stand = async |conn: &mut store::Conn| {
        let capture = captures::get(conn, payment).await.unwrap().disposition;
        (payments::by_order(conn, settled.order).await.unwrap()[0].status, capture)
    };
    let whole = (PaymentStatus::Refunded, Disposition::Refunded);
    assert_eq!(stand(&mut conn).await, whole);
    for (refund, left) in
        [(&part, PaymentStatus::PartiallyRefunded), (&rest, PaymentStatus::Success)]
    {
        let failed = refunds::mark_failed(&mut conn, refund.refund_id, None, "BANK").await.unwrap();
        assert_eq!(failed, refunds::Failed::FromProcessed);
        assert!(payments::mark_refunded(&mut conn, payment).await.unwrap());
        captures::restate(&mut conn, payment, refund.refund_id).await.unwrap();
        assert_eq!(stand(&mut conn).await, (left, Disposition::Fulfilled), "the order keeps it");
    }
}

#[tokio::test]
async fn stray_money_that_goes_back_breaks_no_invariant() {
    let db = test_database().await;
    let settled = db.settled().await;
    let amount = inr(2_000);
    let stray =
        GatewayNames { order: settled.names.order.clone(), payment: "pay_stray".parse().unwrap() };
    let mut tx = db.pool.begin().await.unwrap();
    let capture = NewCapture {
        gateway_payment_id: &stray.payment,
        gateway_order_id: &stray.order,
        order_id: Some(settled.order),
        amount,
    };
    assert!(captures::record(&mut tx, &capture).await.unwrap());
    assert!(!captures::record(&mut tx, &capture).await.unwrap(), "a capture is learned of once");
    let payment = support::payment(settled.order, &stray, amount);
    assert!(payments::insert_stray(&mut tx, &payment, &stray.payment).await.unwrap());
    assert!(!payments::insert_stray(&mut tx, &payment, &stray.payment).await.unwrap());
    let pair =
        [Entry::debit(Account::Gateway, amount), Entry::credit(Account::CustomerCredit, amount)];
    let posted = posting(settled.order, LedgerKind::StrayCapture, "pay_stray", &pair);
    assert!(ledger::post(&mut tx, &posted).await.unwrap());
    let back = NewRefund { gateway_payment_id: &stray.payment, ..refund(&settled, 2_000, "k") };
    refunds::insert_pending(&mut tx, &back).await.unwrap();
    let refunded = Disposition::Refunded;
    captures::dispose(&mut tx, &stray.payment, refunded, Some(back.refund_id)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.violations().await, [], "while the refund is on its way");
    let mut tx = db.pool.begin().await.unwrap();
    refunds::mark_processed(&mut tx, back.refund_id, &"rfnd_1".parse().unwrap()).await.unwrap();
    assert!(payments::mark_refunded(&mut tx, &stray.payment).await.unwrap());
    let reference = back.refund_id.to_string();
    let reversed = pair.map(Entry::reversed);
    let posted = posting(settled.order, LedgerKind::StrayRefund, &reference, &reversed);
    assert!(ledger::post(&mut tx, &posted).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(db.violations().await, [], "and when it is done");
    assert!(db.move_to(settled.order, OrderStatus::Shipped).await, "the order is untouched");
}

#[test]
fn a_planted_bug_is_noticed() {
    let missed = planted::caught(&[(
        "more goes back than came in",
        "refunds_at_once_never_give_back_more_than_came_in",
    )]);
    assert_eq!(missed.unwrap(), [""; 0], "these tests can tell");
}
