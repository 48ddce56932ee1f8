//! Webhooks: signed, retried, and every way in which they disappoint.

use std::time::Duration;

use gateway_sandbox::{Config, RetrySchedule, signature};
use reqwest::Method;
use serde_json::json;

use crate::{receiver::Receiver, shop::Shop};

async fn shop_with(receiver: &Receiver) -> Shop {
    Shop::with(Config {
        webhook_url: Some(receiver.url.clone()),
        webhook_retry: RetrySchedule {
            base: Duration::from_millis(5),
            factor: 2,
            max_attempts: 10,
        },
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn a_payment_is_announced_by_three_signed_envelopes() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    let order = shop.order("r").await;
    let payment = shop.paid(&order).await;
    let all = receiver.until(|all| all.len() >= 3).await;
    let mut names: Vec<_> = all.iter().map(super::receiver::Received::event).collect();
    names.sort_unstable();
    assert_eq!(names, ["order.paid", "payment.authorized", "payment.captured"]);
    for one in &all {
        assert_eq!(one.signature, signature::webhook(&shop.config.webhook_secret, &one.raw));
        assert_eq!(one.body["entity"], "event");
        assert_eq!(one.body["payload"]["payment"]["entity"]["id"], json!(payment));
        assert!(one.body["account_id"].as_str().unwrap().starts_with("acc_"));
    }
    let paid = all.iter().find(|one| one.event() == "order.paid").unwrap();
    assert_eq!(paid.body["contains"], json!(["payment", "order"]));
    assert_eq!(paid.body["payload"]["order"]["entity"]["id"], json!(order));
    let early = all.iter().find(|one| one.event() == "payment.authorized").unwrap();
    assert_eq!(early.body["payload"]["payment"]["entity"]["status"], "authorized", "a snapshot");
}

#[tokio::test]
async fn a_refund_is_announced_with_its_payment() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    let payment = shop.paid(&shop.order("r").await).await;
    shop.post(&format!("/payments/{payment}/refund"), json!({"amount": 500})).await;
    receiver.events("refund.created", 1).await;
    let processed = receiver.events("refund.processed", 1).await;
    let payload = &processed[0].body["payload"];
    assert_eq!(payload["refund"]["entity"]["amount"], 500);
    assert_eq!(payload["payment"]["entity"]["amount_refunded"], 500);
}

#[tokio::test]
async fn a_webhook_is_retried_under_the_same_id_until_a_2xx() {
    let receiver = Receiver::open(&[500, 404, 302]).await;
    let shop = shop_with(&receiver).await;
    shop.pay(&shop.order("r").await, json!({"outcome": "failed"})).await;
    let tries = receiver.events("payment.failed", 4).await;
    assert!(tries.iter().all(|one| one.event_id == tries[0].event_id && one.raw == tries[0].raw));
    let truth = shop.settled_webhooks().await;
    assert_eq!(truth[0]["attempts"], json!([500, 404, 302, 200]));
    assert_eq!(truth[0]["outcome"], "delivered");
}

#[tokio::test]
async fn a_webhook_nobody_takes_is_given_up() {
    let shop = Shop::with(Config {
        webhook_url: Some("http://127.0.0.1:9/hook".into()),
        webhook_retry: RetrySchedule { base: Duration::from_millis(1), factor: 1, max_attempts: 3 },
        ..Config::default()
    })
    .await;
    shop.pay(&shop.order("r").await, json!({"outcome": "failed"})).await;
    let truth = shop.settled_webhooks().await;
    assert_eq!(truth[0]["attempts"], json!([null, null, null]));
    assert_eq!(truth[0]["outcome"], "gave_up");
}

#[tokio::test]
async fn a_lost_webhook_never_comes_and_its_neighbours_do() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    shop.fault(json!({"match": {"event": "payment.captured", "receipt": "r"},
        "action": {"kind": "lose"}}))
        .await;
    shop.paid(&shop.order("r").await).await;
    shop.settled_webhooks().await;
    let came = receiver.until(|all| all.len() >= 2).await;
    assert_eq!(came.len(), 2);
    assert!(came.iter().all(|one| one.event() != "payment.captured"));
}

#[tokio::test]
async fn a_duplicate_comes_under_the_same_id_or_a_new_one() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    let same = json!({"kind": "duplicate", "n": 2});
    shop.fault(json!({"match": {"event": "payment.captured"}, "action": same})).await;
    let fresh = json!({"kind": "duplicate", "n": 1, "new_event_id": true});
    shop.fault(json!({"match": {"event": "order.paid"}, "action": fresh})).await;
    shop.paid(&shop.order("r").await).await;
    let same = receiver.events("payment.captured", 3).await;
    assert!(same.iter().all(|one| one.event_id == same[0].event_id));
    let fresh = receiver.events("order.paid", 2).await;
    assert_ne!(fresh[0].event_id, fresh[1].event_id);
    assert_eq!(fresh[0].raw, fresh[1].raw);
}

#[tokio::test]
async fn a_forged_one_comes_beside_the_real_and_fails_the_signature() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    shop.fault(json!({"match": {"event": "payment.captured"}, "action": {"kind": "forge"}})).await;
    shop.paid(&shop.order("r").await).await;
    let both = receiver.events("payment.captured", 2).await;
    let genuine = signature::webhook(&shop.config.webhook_secret, &both[0].raw);
    assert_eq!(both.iter().filter(|one| one.signature == genuine).count(), 1);
    assert_eq!(both[0].raw, both[1].raw);
}

#[tokio::test]
async fn a_reordered_webhook_comes_after_a_later_one_of_its_order() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    let action = json!({"kind": "reorder", "max_wait_ms": 60_000});
    shop.fault(json!({"match": {"event": "payment.authorized"}, "action": action})).await;
    shop.paid(&shop.order("r").await).await;
    let all = receiver.until(|all| all.len() >= 3).await;
    assert_ne!(all[0].event(), "payment.authorized");
}

#[tokio::test]
async fn a_delayed_webhook_comes_all_the_same() {
    let receiver = Receiver::open(&[]).await;
    let shop = shop_with(&receiver).await;
    let action = json!({"kind": "delay", "ms": 700});
    shop.fault(json!({"match": {"event": "payment.authorized"}, "action": action})).await;
    shop.paid(&shop.order("r").await).await;
    let all = receiver.until(|all| all.len() >= 3).await;
    assert_eq!(all[2].event(), "payment.authorized");
}

#[tokio::test]
async fn the_address_and_the_secret_can_change_and_an_old_event_be_replayed() {
    let receiver = Receiver::open(&[]).await;
    let shop = Shop::open().await;
    shop.pay(&shop.order("early").await, json!({"outcome": "failed"})).await;
    let truth = shop.settled_webhooks().await;
    assert_eq!(truth[0]["outcome"], "no_target");
    let old_id = truth[0]["event_id"].as_str().unwrap().to_owned();

    let target = json!({"url": receiver.url, "secret": "rotated"});
    shop.admin(Method::PUT, "/webhook-url", target).await;
    let path = format!("/webhooks/{old_id}/replay");
    shop.admin(Method::POST, &path, json!({})).await;
    let replayed = receiver.events("payment.failed", 1).await;
    assert_eq!(replayed[0].event_id, old_id);
    let old = signature::webhook(&shop.config.webhook_secret, &replayed[0].raw);
    assert_eq!(replayed[0].signature, old, "signed with the secret of its time");
    shop.admin(Method::POST, &path, json!({"new_event_id": true})).await;
    let twice = receiver.events("payment.failed", 2).await;
    assert_ne!(twice[1].event_id, old_id);

    shop.paid(&shop.order("now").await).await;
    let now = receiver.events("payment.captured", 1).await;
    assert_eq!(now[0].signature, signature::webhook(&"rotated".into(), &now[0].raw));
}

impl Shop {
    /// The webhooks, once none of them is pending.
    async fn settled_webhooks(&self) -> Vec<serde_json::Value> {
        let settled = async {
            loop {
                let truth = self.truth().await;
                let webhooks = truth["webhooks"].as_array().unwrap();
                if webhooks.iter().all(|one| one["outcome"] != "pending") {
                    return webhooks.clone();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), settled).await.expect("webhooks settle")
    }
}
