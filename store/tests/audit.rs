//! The audit finds each broken promise, and nothing where none is broken.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor};
use support::{Settled, TestDatabase, test_database};

/// What the audit finds after `damage`, done past every guard and rolled back.
async fn found_after(db: &TestDatabase, damage: &str) -> BTreeSet<&'static str> {
    let mut tx = db.pool.begin().await.unwrap();
    let sql = format!("set local session_replication_role = replica; {damage}");
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await;
    assert!(done.is_ok(), "{damage}: {done:?}");
    let found = store::audit::violations(&mut tx).await.unwrap();
    tx.rollback().await.unwrap();
    for violation in &found {
        assert!(!violation.subject.is_empty(), "it names its row: {violation:?}");
        assert!(!violation.detail.is_empty(), "and what is wrong: {violation:?}");
    }
    found.into_iter().map(|v| v.invariant).collect()
}

/// Each invariant with damage that breaks it.
#[expect(clippy::too_many_lines, reason = "one list, an entry for each invariant")]
fn damages(s: &Settled) -> Vec<(&'static str, String)> {
    let Settled { order, hold, payment, names, .. } = s;
    let gateway_payment = &names.payment;
    let second_payment = |order_id: &str, status: &str, stray: bool| {
        format!(
            "drop index payments_one_per_gateway_order;
             drop index payments_one_success_per_order;
             insert into payments (payment_id, tenant_id, order_id, workflow_id, gateway,
               gateway_order_id, gateway_payment_id, status, stray, amount_minor, currency)
             select gen_random_uuid(), tenant_id, {order_id}, workflow_id, gateway,
               gateway_order_id, 'pay_2', '{status}', {stray}, amount_minor, currency
             from payments where payment_id = '{payment}'"
        )
    };
    let refund = |amount: i64, status: &str| {
        format!(
            "insert into refunds (refund_id, order_id, gateway_payment_id, gateway_refund_id,
               amount_minor, currency, status, failure_code, idempotency_key, reason, actor)
             values (gen_random_uuid(), '{order}', '{gateway_payment}', 'r', {amount}, 'INR',
               '{status}', 'X', 'k', 'r', 'a')"
        )
    };
    let order_is = |status: &str| {
        format!(
            "update orders set status = '{status}', reason_code = 'X' where order_id = '{order}'"
        )
    };
    let capture_is = |disposition: &str| {
        format!(
            "update gateway_captures set disposition = '{disposition}',
               refund_id = gen_random_uuid()
             where gateway_payment_id = '{gateway_payment}'"
        )
    };
    vec![
        (
            "stock counters add up",
            "alter table inventory drop constraint inventory_adds_up;
             update inventory set available = available + 1"
                .to_owned(),
        ),
        (
            "replayed movements equal the counters",
            "update inventory set available = available + 1, received = received + 1".to_owned(),
        ),
        (
            "reserved equals what is held",
            "update inventory set available = available - 1, reserved = reserved + 1".to_owned(),
        ),
        (
            "only waiting orders hold stock",
            format!("update holds set state = 'HELD', ended_at = null where hold_id = '{hold}'"),
        ),
        (
            "no stock is held a day past its time",
            format!(
                "update holds set state = 'HELD', ended_at = null,
                   expires_at = now() - interval '2 days'
                 where hold_id = '{hold}'"
            ),
        ),
        ("stock is sold only with a committed order", order_is("CANCELLED")),
        (
            "committed orders have their stock sold",
            format!("update holds set state = 'RELEASED' where hold_id = '{hold}'"),
        ),
        (
            "a hold takes what the order's lines say",
            format!("update hold_lines set quantity = quantity + 1 where hold_id = '{hold}'"),
        ),
        ("the last event of an order says its status", order_is("SHIPPED")),
        (
            "every ledger transaction balances",
            "update ledger_entries set debit_minor = debit_minor + 1 where debit_minor > 0"
                .to_owned(),
        ),
        (
            "every order's ledger sums to zero",
            "delete from ledger_entries where credit_minor > 0".to_owned(),
        ),
        ("an order is paid at most once", second_payment(&format!("'{order}'"), "SUCCESS", false)),
        (
            "a gateway order belongs to one order",
            second_payment("gen_random_uuid()", "FAILED", false),
        ),
        (
            "a paid order has its payment, in full",
            "update payments set amount_minor = amount_minor - 1".to_owned(),
        ),
        (
            "a payment that was paid has an order that was paid",
            format!("update orders set paid_at = null where order_id = '{order}'"),
        ),
        ("a called-off order keeps no money", order_is("CANCELLED")),
        ("a payment that was paid is in the ledger", "delete from ledger_transactions".to_owned()),
        (
            "a capture in the ledger is a payment",
            "update payments set status = 'FAILED'".to_owned(),
        ),
        ("no capture stays open when its order has ended", capture_is("OPEN")),
        (
            "a fulfilled capture is the order's payment",
            "update payments set gateway_payment_id = 'pay_2'".to_owned(),
        ),
        (
            "a refunded capture goes back in full",
            format!("{}; {}", capture_is("REFUNDED"), refund(1, "PENDING")),
        ),
        ("no more goes back than came in", refund(2_001, "PENDING")),
        ("a refund that was made is in the ledger", refund(1, "PROCESSED")),
        (
            "a refund that failed is not in the ledger",
            format!(
                "{}; insert into ledger_transactions (ledger_transaction_id, tenant_id, order_id,
                   kind, payment_ref)
                 select gen_random_uuid(), 'retail', order_id, 'REFUND', refund_id::text
                 from refunds;
                 insert into ledger_entries (ledger_transaction_id, entry_no, account,
                   credit_minor, currency)
                 select ledger_transaction_id, 1, 'GATEWAY', 1, 'INR'
                 from ledger_transactions where kind = 'REFUND'",
                refund(1, "FAILED")
            ),
        ),
        (
            "a payment says how much of it went back",
            "update payments set status = 'PARTIALLY_REFUNDED'".to_owned(),
        ),
        ("a refunded order gave all of its money back", order_is("REFUNDED")),
        (
            "the gateway owes what came in for an order less what went back",
            "update ledger_entries set account = 'CASH' where account = 'GATEWAY'".to_owned(),
        ),
    ]
}

#[tokio::test]
async fn each_planted_fault_is_found_by_its_name() {
    let db = test_database().await;
    let settled = db.settled().await;
    assert_eq!(db.violations().await, [], "nothing is wrong before");
    let damages = damages(&settled);
    for (invariant, damage) in &damages {
        let found = found_after(&db, damage).await;
        assert!(found.contains(invariant), "{invariant} not in {found:?} after {damage}");
    }
    let planted: BTreeSet<_> = damages.iter().map(|(invariant, _)| *invariant).collect();
    let all: BTreeSet<_> = store::audit::invariants().collect();
    assert_eq!(planted, all, "every invariant has been broken once");
    assert_eq!(db.violations().await, [], "and nothing of it stayed");
}

#[tokio::test]
async fn an_order_cancelled_before_payment_breaks_nothing() {
    let db = test_database().await;
    let sku = db.product("A", 5).await;
    let order = db.order(&[(&sku, 2)]).await;
    let (hold, _) = db.hold(order, &[(&sku, 2)]).await;
    assert_eq!(db.violations().await, [], "while it waits");
    let mut conn = db.conn().await;
    assert_eq!(store::stock::release(&mut conn, &[hold]).await.unwrap(), [hold]);
    assert!(db.move_to(order, domain::OrderStatus::Cancelled).await);
    assert_eq!(db.violations().await, [], "and when it is called off");
}

#[tokio::test]
async fn the_audit_only_reads() {
    let db = test_database().await;
    db.settled().await;
    let mut tx = db.pool.begin().await.unwrap();
    tx.execute("set transaction isolation level repeatable read read only").await.unwrap();
    let found = store::audit::violations(&mut tx).await;
    tx.rollback().await.unwrap();
    assert_eq!(found.unwrap(), [], "a read-only transaction is enough");
}
