//! The database's transition tables are the domain's, pair by pair.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use domain::{OrderId, OrderStatus, PaymentStatus, RefundStatus};
use store::Error;
use store::orders::{self, StatusChange};
use support::{GatewayNames, TestDatabase, inr, state, test_database};
use uuid::Uuid;

/// Tries a move inside a transaction that is rolled back; the SQLSTATE of a refusal.
async fn attempt(db: &TestDatabase, plant: &str, step: &str) -> Option<String> {
    let mut tx = db.pool.begin().await.unwrap();
    let mut result = Ok(0);
    for sql in [plant, step] {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await;
        result = done.map(|d| d.rows_affected());
    }
    tx.rollback().await.unwrap();
    assert!(!matches!(result, Ok(0)), "the step found its row: {step}");
    state(result)
}

#[tokio::test]
async fn the_database_allows_exactly_the_order_moves_of_the_domain() {
    let db = test_database().await;
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL.iter().filter(|to| *to != from) {
            let plant = format!(
                "insert into orders (order_id, tenant_id, order_number, user_id, status,
                   reason_code, currency, subtotal_minor, tax_minor, total_minor, workflow_id,
                   expires_at)
                 values ('{id}', 'retail', 'N', '{user}', '{from}', 'X', 'INR', 1, 0, 1, 'w', now())",
                id = Uuid::nil(),
                user = db.user,
            );
            let step = format!("update orders set status = '{to}' where order_number = 'N'");
            let refused = attempt(&db, &plant, &step).await;
            let wanted = (!from.may_become(*to)).then(|| "23514".to_owned());
            assert_eq!(refused, wanted, "order {from} to {to}");
        }
    }
}

#[tokio::test]
async fn the_database_allows_exactly_the_refund_moves_of_the_domain() {
    let db = test_database().await;
    let settled = db.settled().await;
    for from in RefundStatus::ALL {
        for to in RefundStatus::ALL.iter().filter(|to| *to != from) {
            let plant = format!(
                "insert into refunds (refund_id, order_id, gateway_payment_id, gateway_refund_id,
                   amount_minor, currency, status, failure_code, idempotency_key, reason, actor)
                 values ('{id}', '{order}', '{payment}', 'r', 1, 'INR', '{from}', 'X', 'k', 'r', 'a')",
                id = Uuid::nil(),
                order = settled.order,
                payment = settled.names.payment,
            );
            let step = format!("update refunds set status = '{to}' where gateway_refund_id = 'r'");
            let refused = attempt(&db, &plant, &step).await;
            let wanted = (!from.may_become(*to)).then(|| "23514".to_owned());
            assert_eq!(refused, wanted, "refund {from} to {to}");
        }
    }
}

#[tokio::test]
async fn the_database_allows_exactly_the_payment_moves_of_the_domain() {
    let db = test_database().await;
    let order = db.order(&[(&support::sku("A"), 1)]).await;
    for from in PaymentStatus::ALL {
        for to in PaymentStatus::ALL.iter().filter(|to| *to != from) {
            let plant = format!(
                "insert into payments (payment_id, tenant_id, order_id, workflow_id, gateway,
                   gateway_order_id, gateway_payment_id, status, amount_minor, currency)
                 values ('{id}', 'retail', '{order}', 'w', 'razorpay', 'o', 'p', '{from}', 1,
                         'INR')",
                id = Uuid::nil(),
            );
            let step = format!("update payments set status = '{to}' where gateway_order_id = 'o'");
            let refused = attempt(&db, &plant, &step).await;
            let wanted = (!from.may_become(*to)).then(|| "23514".to_owned());
            assert_eq!(refused, wanted, "payment {from} to {to}");
        }
    }
}

#[tokio::test]
async fn an_illegal_change_is_refused_and_leaves_no_event() {
    let db = test_database().await;
    let order = db.order(&[(&support::sku("A"), 1)]).await;
    let change = StatusChange::new(order, OrderStatus::Delivered, "test");
    let mut tx = db.pool.begin().await.unwrap();
    let refused = orders::set_status(&mut tx, OrderStatus::ALL, &[change]).await;
    let text = refused.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert!(text.contains("from PENDING to DELIVERED"), "the refusal names both: {text}");
    tx.rollback().await.unwrap();
    let events = orders::events(&mut *db.conn().await, order, 0).await.unwrap();
    assert_eq!(events.len(), 1, "only the first event stands");
}

#[tokio::test]
async fn a_change_applies_only_in_the_statuses_it_names() {
    let db = test_database().await;
    let order = db.order(&[(&support::sku("A"), 1)]).await;
    let from = &[OrderStatus::Reserved];
    let change = StatusChange::new(order, OrderStatus::Paid, "test");
    let mut conn = db.conn().await;
    assert_eq!(orders::set_status(&mut conn, from, &[change]).await.unwrap(), [], "it is PENDING");
    let missing = StatusChange { order_id: OrderId::from(Uuid::nil()), ..change };
    let changed = orders::set_status(&mut conn, from, &[missing]).await.unwrap();
    assert_eq!(changed, [], "there is no such order");
    assert!(db.move_to(order, OrderStatus::Reserved).await);
    assert_eq!(orders::set_status(&mut conn, from, &[change]).await.unwrap(), [order]);
    let paid = orders::get(&mut conn, order).await.unwrap();
    assert!(paid.paid_at.is_some(), "the time of payment is kept when PAID is entered");
    assert_eq!(paid.version, 3, "each change raises the version");
    let events = orders::events(&mut conn, order, 0).await.unwrap();
    let seen: Vec<_> = events.iter().map(|e| (e.from, e.to)).collect();
    let wanted = [
        (None, OrderStatus::Pending),
        (Some(OrderStatus::Pending), OrderStatus::Reserved),
        (Some(OrderStatus::Reserved), OrderStatus::Paid),
    ];
    assert_eq!(seen, wanted, "one event for each change");
    let later = orders::events(&mut conn, order, events[1].event_id).await.unwrap();
    assert_eq!(later.len(), 1, "a reader goes on where it stopped");
}

#[tokio::test]
async fn payments_are_marked_once_and_only_from_where_they_may() {
    let db = test_database().await;
    let order = db.order(&[(&support::sku("A"), 1)]).await;
    let names = GatewayNames::of(order);
    let payment = support::payment(order, &names, inr(1_000));
    let mut conn = db.conn().await;
    store::payments::insert_pending(&mut conn, &payment).await.unwrap();
    let id = payment.payment_id;
    assert!(support::declined(&mut conn, order).await.unwrap());
    assert!(!support::declined(&mut conn, order).await.unwrap());
    let late = support::paid(&mut conn, id, &names.payment).await.unwrap();
    assert!(!late, "what failed does not become paid");
}
