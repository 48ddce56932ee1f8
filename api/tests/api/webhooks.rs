//! What the gateway reports: checked over its raw bytes, kept, passed on once.

use gateway_sandbox::signature;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::orders::open_payment;
use crate::support::{Reply, Shop, WEBHOOK_SECRET, WEBHOOK_SECRET_BEFORE, read, until};

/// An event of the gateway; spaced oddly, so that only its own bytes have its signature.
fn event(name: &str, order: &str, payment: &str) -> String {
    format!(
        "{{ \"entity\":\"event\",\"account_id\":\"acc_1\", \"event\":\"{name}\",\n\
         \"contains\":[\"payment\"],\"payload\":{{\"payment\":{{\"entity\":{{\"id\":\"{payment}\",\
         \"order_id\":\"{order}\",\"notes\":[],\"status\":\"captured\"}}}}}},\"created_at\":1 }}\n"
    )
}

struct Hook<'a> {
    body: &'a str,
    signature: Option<String>,
    event_id: Option<&'a str>,
}

impl<'a> Hook<'a> {
    fn genuine(body: &'a str, event_id: &'a str) -> Self {
        let signature = signature::webhook(&WEBHOOK_SECRET.into(), body.as_bytes());
        Self { body, signature: Some(signature), event_id: Some(event_id) }
    }

    async fn send(self, shop: &Shop) -> Reply {
        let mut request = shop
            .request(Method::POST, "/api/v1/webhooks/razorpay")
            .header("content-type", "application/json")
            .body(self.body.to_owned());
        if let Some(signature) = self.signature {
            request = request.header("x-razorpay-signature", signature);
        }
        if let Some(id) = self.event_id {
            request = request.header("x-razorpay-event-id", id);
        }
        read(request).await
    }
}

async fn state(shop: &Shop, event_id: &str) -> String {
    sqlx::query_scalar("select state from webhook_events where event_id = $1")
        .bind(event_id)
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

/// An order whose payment is open under this gateway's order.
async fn open_order(shop: &Shop, gateway_order: &str) {
    shop.product("TEA", 1_000, 10).await;
    let order = shop.customer().await.place("TEA", 1).await;
    open_payment(shop, &order, gateway_order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_webhook_is_kept_byte_for_byte_and_signalled() {
    let shop = Shop::open().await;
    open_order(&shop, "order_G1").await;
    let body = event("payment.captured", "order_G1", "pay_1");
    let reply = Hook::genuine(&body, "evt_1").send(&shop).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(state(&shop, "evt_1").await, "SIGNALLED");
    let kept: Vec<u8> = sqlx::query_scalar("select raw_body from webhook_events")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(kept, body.as_bytes(), "the bytes that were signed");
    assert_eq!(shop.count("signals where signal_id = 'captured:pay_1'").await, 1);
    assert_eq!(shop.count("ledger_transactions").await, 0, "it writes no money state");

    let before = signature::webhook(&WEBHOOK_SECRET_BEFORE.into(), body.as_bytes());
    let rotated = Hook { signature: Some(before), ..Hook::genuine(&body, "evt_2") };
    assert_eq!(rotated.send(&shop).await.status, 200, "the secret before is still accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_or_missing_signature_stores_nothing() {
    let shop = Shop::open().await;
    open_order(&shop, "order_G1").await;
    let body = event("payment.captured", "order_G1", "pay_1");
    let genuine = signature::webhook(&WEBHOOK_SECRET.into(), body.as_bytes());
    let tampered = body.replace("pay_1", "pay_2");
    let reserialised = serde_json::from_str::<serde_json::Value>(&body).unwrap().to_string();
    let foreign = signature::webhook(&"another-secret".into(), body.as_bytes());
    let cases = [
        (body.as_str(), None, "no signature"),
        (&body, Some(foreign), "another secret"),
        (&body, Some(genuine.to_uppercase()), "upper case"),
        (&body, Some(genuine[..63].to_owned()), "cut short"),
        (&tampered, Some(genuine.clone()), "a changed body"),
        (&reserialised, Some(genuine.clone()), "the same JSON in other bytes"),
        ("not even json", Some(genuine), "checked before it is parsed"),
    ];
    for (body, signature, why) in cases {
        let reply = Hook { body, signature, event_id: Some("evt_1") }.send(&shop).await;
        assert_eq!(reply.refusal(), (400, "BAD_SIGNATURE".to_owned()), "{why}");
    }
    assert_eq!(shop.count("webhook_events").await, 0, "nothing was stored");
    assert_eq!(shop.count("signals").await, 0, "nobody was told anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_answered_and_does_nothing() {
    let shop = Shop::open().await;
    open_order(&shop, "order_G1").await;
    let captured = event("payment.captured", "order_G1", "pay_1");
    let paid = event("order.paid", "order_G1", "pay_1");
    for (body, id) in [
        (&captured, "evt_1"),
        (&captured, "evt_1"),
        (&captured, "evt_1-replayed-under-a-new-id"),
        (&paid, "evt_2"),
    ] {
        assert_eq!(Hook::genuine(body, id).send(&shop).await.status, 200, "{id}");
    }
    let bare = Hook { event_id: None, ..Hook::genuine(&captured, "") };
    assert_eq!(bare.send(&shop).await.status, 200, "without an id the bytes are the id");
    assert_eq!(shop.count("webhook_events").await, 4);
    assert_eq!(shop.count("signals").await, 1, "every report of one capture is one signal");

    let failed = event("payment.failed", "order_G1", "pay_1");
    Hook::genuine(&failed, "evt_3").send(&shop).await;
    assert_eq!(shop.count("signals where signal_id = 'payment.failed:pay_1'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_no_interest_is_kept_and_ignored() {
    let shop = Shop::open().await;
    open_order(&shop, "order_G1").await;
    let unheard = event("subscription.halted", "order_G1", "pay_1");
    let refund = event("refund.processed", "order_G1", "pay_1");
    let bare = json!({ "event": "payment.downtime.started", "payload": {} }).to_string();
    let orderless = json!({
        "event": "payment.captured",
        "payload": { "payment": { "entity": { "id": "pay_9", "order_id": null } } },
    })
    .to_string();
    for (body, id) in
        [(&unheard, "evt_1"), (&refund, "evt_2"), (&bare, "evt_3"), (&orderless, "evt_4")]
    {
        assert_eq!(Hook::genuine(body, id).send(&shop).await.status, 200, "{body}");
        assert_eq!(state(&shop, id).await, "IGNORED", "{body}");
    }
    assert_eq!(shop.count("signals").await, 0);
    let broken = Hook::genuine("{\"event\": 7}", "evt_5").send(&shop).await;
    assert_eq!(broken.refusal(), (400, "BAD_REQUEST".to_owned()), "signed, but no event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_event_waits_for_its_payment() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let order = shop.customer().await.place("TEA", 1).await;
    let early = event("payment.captured", "order_SOON", "pay_1");
    let never = event("payment.captured", "order_NEVER", "pay_2");
    for (body, id) in [(&never, "evt_never"), (&early, "evt_early")] {
        assert_eq!(Hook::genuine(body, id).send(&shop).await.status, 200, "{body}");
        assert_eq!(state(&shop, id).await, "UNMATCHED");
    }
    open_payment(&shop, &order, "order_SOON").await;
    until("the early event is passed on", async || state(&shop, "evt_early").await == "SIGNALLED")
        .await;
    assert_eq!(shop.count("signals where signal_id = 'captured:pay_1'").await, 1);
    assert_eq!(state(&shop, "evt_never").await, "UNMATCHED", "the other one is kept");
    assert_eq!(shop.count("signals").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_event_is_one_row_and_one_signal() {
    let shop = Shop::open().await;
    open_order(&shop, "order_G1").await;
    let body = event("payment.captured", "order_G1", "pay_1");
    let id = Uuid::now_v7().to_string();
    let sent = (0..40).map(|_| Hook::genuine(&body, &id).send(&shop));
    for reply in futures::future::join_all(sent).await {
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!((shop.count("webhook_events").await, shop.count("signals").await), (1, 1));
    let large = "x".repeat(257 * 1024);
    let reply = Hook::genuine(&large, "evt_large").send(&shop).await;
    assert_eq!(reply.refusal(), (413, "BODY_TOO_LARGE".to_owned()));
}
