//! Orders, webhooks, the outbox, accounts and the catalogue: what is written is what is read.

mod support;

use std::time::Duration;

use domain::{LateMoney, MessageId, OrderStatus, Role, UserId, WebhookState};
use store::orders::{self, Page, Reopening, StatusChange};
use store::users::{NewUser, PasswordHash};
use store::webhooks::{self, NewWebhook};
use store::{Error, outbox, products, tenants, users};
use support::{sku, tenant, test_database};
use uuid::Uuid;

#[tokio::test]
async fn an_order_reads_back_as_it_was_placed() {
    let db = test_database().await;
    let (a, b) = (sku("A"), sku("B"));
    let id = db.order(&[(&a, 3), (&b, 1)]).await;
    let mut conn = db.conn().await;
    let order = orders::get(&mut conn, id).await.unwrap();
    assert_eq!((order.order_id, order.user_id, order.attempt), (id, db.user, 1));
    assert_eq!(order.status, OrderStatus::Pending, "an order begins PENDING");
    assert_eq!(order.total.to_string(), "40.00 INR", "three and one at 10.00");
    let waits = order.expires_at - order.created_at;
    assert_eq!(waits.num_minutes(), 30, "the deadline counts from the database's now");
    let items = orders::items(&mut conn, &[id]).await.unwrap();
    let lines: Vec<_> = items.iter().map(|i| (i.line_no, i.sku.clone(), i.quantity)).collect();
    assert_eq!(lines, [(1, a, 3), (2, b, 1)], "lines keep their order");
    let workflow = format!("checkout/{id}/1");
    let found = orders::by_workflow(&mut conn, &tenant(), &workflow).await.unwrap();
    assert_eq!(found, order, "the workflow finds its order");
    let locked = orders::lock(&mut conn, &[Uuid::nil().into(), id]).await.unwrap();
    assert_eq!(locked, [(id, order.status)].into(), "those that exist");
    let missing = orders::get(&mut conn, Uuid::nil().into()).await;
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
}

#[tokio::test]
async fn pages_show_every_order_once_newest_first() {
    let db = test_database().await;
    let a = sku("A");
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(db.order(&[(&a, 1)]).await);
    }
    placed.sort();
    placed.reverse();
    let mut conn = db.conn().await;
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = Page { before, limit: 3 };
        let orders = orders::list_by_user(&mut conn, db.user, page).await.unwrap();
        before = orders.last().map(|o| o.order_id);
        seen.extend(orders.iter().map(|o| o.order_id));
        if orders.is_empty() {
            break;
        }
    }
    assert_eq!(seen, placed, "no order is skipped or shown twice");
    let page = Page { before: None, limit: 50 };
    let pending = OrderStatus::Pending;
    let found = orders::list_by_status(&mut conn, &tenant(), pending, page).await.unwrap();
    assert_eq!(found.len(), 7, "the shop sees them too");
    let items = orders::items(&mut conn, &seen).await.unwrap();
    assert_eq!(items.len(), 7, "the lines of a page come in one query");
}

#[tokio::test]
async fn a_failed_order_is_tried_again_as_often_as_allowed() {
    let db = test_database().await;
    let id = db.order(&[(&sku("A"), 1)]).await;
    let again = Reopening {
        order_id: id,
        from: OrderStatus::Failed,
        workflow_id: "checkout/again",
        expires_in: Duration::from_mins(10),
        max_attempts: 2,
        actor: "buyer",
        reason: "RETRY",
        key: Some("key-1"),
    };
    let mut conn = db.conn().await;
    assert_eq!(orders::reopen(&mut conn, &again).await.unwrap(), None, "it has not failed");
    assert!(!orders::was_reopened(&mut conn, id, "key-1").await.unwrap());
    assert!(db.move_to(id, OrderStatus::Failed).await);
    let order = orders::reopen(&mut conn, &again).await.unwrap().unwrap();
    assert_eq!(orders::get(&mut conn, id).await.unwrap(), order);
    assert!(orders::was_reopened(&mut conn, id, "key-1").await.unwrap(), "the key is kept");
    assert!(!orders::was_reopened(&mut conn, id, "key-2").await.unwrap());
    assert_eq!((order.status, order.attempt), (OrderStatus::Pending, 2));
    assert_eq!((order.reason_code, order.workflow_id.as_str()), (None, "checkout/again"));
    assert!(db.move_to(id, OrderStatus::Failed).await);
    assert_eq!(orders::reopen(&mut conn, &again).await.unwrap(), None, "two are enough");
    let events = orders::events(&mut conn, id, 0).await.unwrap();
    assert_eq!(events.len(), 4, "each change has its event");
}

#[tokio::test]
async fn a_failed_statement_leaves_nothing_of_its_transaction() {
    let db = test_database().await;
    let id = db.order(&[(&sku("A"), 1)]).await;
    let change = StatusChange::new(id, OrderStatus::Reserved, "");
    let mut tx = db.pool.begin().await.unwrap();
    let refused = orders::set_status(&mut tx, &[OrderStatus::Pending], &[change]).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "an event needs an actor: {refused:?}");
    drop(tx);
    let order = orders::get(&mut *db.conn().await, id).await.unwrap();
    assert_eq!(order.status, OrderStatus::Pending, "the status went with its event");
}

#[tokio::test]
async fn orders_whose_time_ends_soon_are_found() {
    let db = test_database().await;
    let (late, _) = (db.order(&[(&sku("A"), 1)]).await, db.order(&[(&sku("A"), 1)]).await);
    db.move_to(late, OrderStatus::Reserved).await;
    let mut conn = db.conn().await;
    let tenant = tenant();
    let none = orders::expiring(&mut conn, &tenant, 0, 10).await.unwrap();
    assert!(none.is_empty(), "none is late yet");
    assert_eq!(orders::expiring(&mut conn, &tenant, 86_400, 10).await.unwrap().len(), 1, "soon");
    db.run("update orders set expires_at = now() - interval '1 second'").await.unwrap();
    let found = orders::expiring(&mut conn, &tenant, 0, 10).await.unwrap();
    let ids: Vec<_> = found.iter().map(|o| o.order_id).collect();
    assert_eq!(ids, [late], "only what is RESERVED waits for money");
}

#[tokio::test]
async fn a_webhook_is_kept_once_byte_for_byte() {
    let db = test_database().await;
    let webhook = NewWebhook {
        event_id: "evt_1",
        gateway: "razorpay",
        event_type: "payment.captured",
        gateway_order_id: None,
        gateway_payment_id: None,
        raw_body: b"{ \"a\":1 }\n",
    };
    let mut conn = db.conn().await;
    assert!(webhooks::insert(&mut conn, &webhook).await.unwrap());
    assert!(!webhooks::insert(&mut conn, &webhook).await.unwrap(), "a repeat is known");
    let waiting = webhooks::unmatched(&mut conn, 10).await.unwrap();
    assert_eq!(waiting[0].raw_body, webhook.raw_body, "the body is as it came");
    for state in [WebhookState::Unmatched, WebhookState::Signalled] {
        assert!(webhooks::set_state(&mut conn, "evt_1", state).await.unwrap());
    }
    assert!(webhooks::unmatched(&mut conn, 10).await.unwrap().is_empty(), "it is done");
    assert!(!webhooks::set_state(&mut conn, "evt_2", WebhookState::Ignored).await.unwrap());
}

#[tokio::test]
async fn a_message_is_sent_by_one_sender_at_a_time() {
    let db = test_database().await;
    let payload = serde_json::json!({"order": 1});
    let message = outbox::NewMessage {
        message_id: MessageId::from(Uuid::now_v7()),
        tenant_id: &tenant(),
        topic: "order.paid",
        key: "1",
        payload: &payload,
    };
    assert!(outbox::push(&mut *db.conn().await, &message).await.unwrap());
    assert!(!outbox::push(&mut *db.conn().await, &message).await.unwrap(), "once by its id");
    let mut first = db.pool.begin().await.unwrap();
    let taken = outbox::unsent(&mut first, 10).await.unwrap();
    assert_eq!(taken[0].payload, payload);
    let other = outbox::unsent(&mut *db.conn().await, 10).await.unwrap();
    assert!(other.is_empty(), "another sender skips it meanwhile");
    let ids = [message.message_id];
    assert_eq!(outbox::mark_sent(&mut first, &ids).await.unwrap(), 1);
    first.commit().await.unwrap();
    assert!(outbox::unsent(&mut *db.conn().await, 10).await.unwrap().is_empty(), "sent is sent");
}

#[tokio::test]
async fn an_address_is_unique_in_its_shop_whatever_its_case() {
    let db = test_database().await;
    let mut conn = db.conn().await;
    let twin = NewUser {
        user_id: UserId::from(Uuid::now_v7()),
        tenant_id: tenant(),
        email: "BUYER@example.test".to_owned(),
        password_hash: PasswordHash("secret".to_owned()),
        role: Role::Vendor,
    };
    let refused = users::insert(&mut conn, &twin).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let found = users::by_email(&mut conn, &tenant(), "Buyer@Example.Test").await.unwrap();
    assert_eq!(found.user_id, db.user);
    assert_eq!(users::by_id(&mut conn, db.user).await.unwrap().email, "buyer@example.test");
    assert!(!format!("{twin:?}").contains("secret"), "the hash is never printed");
}

#[tokio::test]
async fn the_catalogue_answers_prices_and_pages() {
    let db = test_database().await;
    let (a, b) = (db.product("A", 0).await, db.product("B", 0).await);
    let mut conn = db.conn().await;
    let mut found = products::priced(&mut conn, &tenant(), &[b, sku("none"), a]).await.unwrap();
    let skus: Vec<_> = found.iter().map(|p| p.sku.to_string()).collect();
    assert_eq!(skus, ["A", "B"], "what the shop has, by sku");
    let mut off = found.remove(0);
    off.is_active = false;
    products::upsert(&mut conn, &off).await.unwrap();
    let listed = products::list(&mut conn, &tenant(), None, 10).await.unwrap();
    assert_eq!(listed.len(), 1, "only what is on sale");
    let after = products::list(&mut conn, &tenant(), Some(&sku("B")), 10).await.unwrap();
    assert!(after.is_empty(), "nothing after the last");
}

#[tokio::test]
async fn a_tenants_presets_read_back() {
    let db = test_database().await;
    let mut conn = db.conn().await;
    let mut retail = tenants::get(&mut conn, &tenant()).await.unwrap();
    assert_eq!(retail.hold, Duration::from_mins(30), "the preset is half an hour");
    assert_eq!(retail.terms.late_money, LateMoney::RereserveThenFulfil);
    retail.tenant_id = "tickets".parse().unwrap();
    retail.terms.late_money = LateMoney::ManualReview;
    tenants::upsert(&mut conn, &retail).await.unwrap();
    let found = tenants::get(&mut conn, &retail.tenant_id).await.unwrap();
    assert_eq!(found, retail);
    let missing = tenants::get(&mut conn, &"none".parse().unwrap()).await;
    assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
}
