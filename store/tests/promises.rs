//! Promises that hold whatever the caller does: repeats move nothing, the ledger always balances,
//! and a gateway's payment belongs to one payment of ours.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use domain::{Account, Entry, HoldId, HoldState, LedgerKind};
use store::Error;
use store::stock::{self, HoldRequest, Taken};
use store::{holds, ledger, payments};
use support::{GatewayNames, TestDatabase, inr, posting, request, state, tenant, test_database};

/// The first `moves` of a hold's life, and what it is after them.
async fn led_to(db: &TestDatabase, hold: HoldId, moves: &str) {
    let mut conn = db.conn().await;
    for step in moves.chars() {
        let done = match step {
            'f' => stock::finalise(&mut conn, &[hold]).await,
            'r' => stock::release(&mut conn, &[hold]).await,
            _ => stock::restock(&mut conn, &[hold]).await,
        };
        assert_eq!(done.unwrap(), [hold], "{step} of {moves}");
    }
}

async fn take(db: &TestDatabase, wanted: &HoldRequest) -> Taken {
    let mut tx = db.pool.begin().await.unwrap();
    let mut taken = stock::take(&mut tx, std::slice::from_ref(wanted)).await.unwrap();
    tx.commit().await.unwrap();
    taken.remove(0)
}

#[tokio::test]
async fn a_hold_that_is_taken_again_at_any_time_of_its_life_moves_no_stock() {
    let db = test_database().await;
    let a = db.product("A", 10).await;
    for (moves, after) in [
        ("", HoldState::Held),
        ("f", HoldState::Finalised),
        ("r", HoldState::Released),
        ("fs", HoldState::Restocked),
    ] {
        let wanted = request(db.order(&[(&a, 2)]).await, &[(&a, 2)]);
        assert_eq!(take(&db, &wanted).await, Taken::Held);
        led_to(&db, wanted.hold_id, moves).await;
        let before = stock::get(&mut *db.conn().await, &tenant(), &a).await.unwrap();
        for _ in 0..2 {
            assert_eq!(take(&db, &wanted).await, Taken::AlreadyKnown, "{after}");
        }
        let mut conn = db.conn().await;
        let now = stock::get(&mut conn, &tenant(), &a).await.unwrap();
        assert_eq!(now, before, "a {after} hold takes nothing a second time");
        assert_eq!(holds::get(&mut conn, wanted.hold_id).await.unwrap().state, after);
        drop(conn);
        let kept = format!("select 1 from stock_movements where hold_id = '{}'", wanted.hold_id);
        let movements = db.run(&kept).await.unwrap();
        assert_eq!(movements, 1 + u64::try_from(moves.len()).unwrap(), "no movement twice");
    }
}

#[tokio::test]
async fn whatever_is_posted_debits_equal_credits_in_each_transaction_and_in_total() {
    let db = test_database().await;
    let a = db.product("A", 10).await;
    let mut conn = db.conn().await;
    let mut posted = 0;
    for n in 1..=60_i64 {
        let order = db.order(&[(&a, 1)]).await;
        let (sales, tax) = (inr(n * 37), inr(n * 37 * 18 % 101));
        // Every third one is a unit off.
        let off = i64::from(n % 3 == 0);
        let entries = [
            Entry::debit(Account::Gateway, inr(sales.minor() + tax.minor() + off)),
            Entry::credit(Account::Sales, sales),
            Entry::credit(Account::Tax, inr(tax.minor().max(1))),
        ];
        let balances = off == 0 && tax.minor() > 0;
        let reference = format!("pay_{n}");
        let posting = posting(order, LedgerKind::Capture, &reference, &entries);
        match ledger::post(&mut conn, &posting).await {
            Ok(is_new) => assert!(is_new && balances, "{n}: {entries:?} must not be posted"),
            Err(refused) => {
                assert!(matches!(refused, Error::Unbalanced), "{n}: {refused:?}");
                assert!(!balances, "{n}: {entries:?} balances");
                continue;
            }
        }
        posted += 1;
    }
    assert!((30..=40).contains(&posted), "both kinds were tried: {posted}");
    let sums = "select count(distinct ledger_transaction_id), count(*)::bigint,
          sum(debit_minor)::bigint, sum(credit_minor)::bigint from ledger_entries";
    let (transactions, entries, debits, credits): (i64, i64, i64, i64) =
        sqlx::query_as(sums).fetch_one(&mut *conn).await.unwrap();
    assert_eq!((transactions, entries), (posted, 3 * posted), "the refused ones left nothing");
    assert!(debits > 0);
    assert_eq!(debits, credits, "in total");
    let torn = "select count(*) from (select 1 from ledger_entries group by ledger_transaction_id
                having sum(debit_minor) <> sum(credit_minor)) torn";
    let torn: i64 = sqlx::query_scalar(torn).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(torn, 0, "in each");
}

#[tokio::test]
async fn a_gateways_payment_belongs_to_one_payment_of_an_order() {
    let db = test_database().await;
    let settled = db.settled().await;
    let stray =
        GatewayNames { order: settled.names.order.clone(), payment: "pay_stray".parse().unwrap() };
    let second = support::payment(settled.order, &stray, inr(2_000));
    let mut conn = db.conn().await;
    assert!(payments::insert_stray(&mut conn, &second, &stray.payment).await.unwrap());
    drop(conn);
    let twice = format!(
        "update payments set gateway_payment_id = '{}' where gateway_payment_id = 'pay_stray'",
        settled.names.payment
    );
    let refused = state(db.run(&twice).await);
    assert_eq!(refused.as_deref(), Some("23505"), "it is another payment's already");
}
