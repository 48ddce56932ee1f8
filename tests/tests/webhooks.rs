//! Webhooks as the gateway really sends them: in floods, again and again, long afterwards, and under
//! a secret that is being replaced.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first fault")]

use std::time::Duration;

use futures::{StreamExt, stream};
use makegood_tests::{Answer, Customer, Session, Shop, Web, until};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long the gateway waits for an answer.
const SENDERS_LIMIT: Duration = Duration::from_secs(5);

fn captured(session: &Session, payment: &Value) -> Value {
    let entity = json!({
        "id": payment, "order_id": session.gateway_order_id, "status": "captured",
        "amount": session.amount_minor, "currency": "INR",
    });
    json!({"entity": "event", "event": "payment.captured", "payload": {"payment": {"entity": entity}}})
}

async fn paid(shop: &Shop, customer: &Customer) -> (Session, Value) {
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;
    shop.ended_but(0).await;
    (session, proof["razorpay_payment_id"].clone())
}

// PAY-10, D57
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_two_thousand_webhooks_is_answered_within_the_senders_limit_and_kept() {
    let shop = Shop::plan().workers(1).without_webhooks().open().await;
    shop.product("tea", 100).await;
    let customer = shop.customer().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let order = customer.place(&[("tea", 1)]).await;
        let session = customer.session(&order).await;
        let proof = customer.pay(&session).await;
        sessions.push((session, proof["razorpay_payment_id"].clone()));
    }
    let flood = stream::iter(0..2_000).map(|n| {
        let (shop, (session, payment)) = (&shop, &sessions[n % sessions.len()]);
        let id = format!("evt_flood_{n}");
        async move { timeout(SENDERS_LIMIT, shop.webhook(&id, &captured(session, payment))).await }
    });
    let answers: Vec<_> = flood.buffer_unordered(64).collect().await;
    let in_time = answers.iter().filter(|a| matches!(a, Ok(a) if a.status == 200)).count();
    assert_eq!(in_time, 2_000, "the gateway has no reason to repeat one");
    assert_eq!(shop.count("webhook_events where state = 'SIGNALLED'").await, 2_000);
    let signals = "signals where signal_id like 'captured:%'";
    assert_eq!(shop.count(signals).await, 20, "a hundred reports of one capture are one signal");
    for (session, _) in &sessions {
        customer.wait_for(&session.order_id, "PAID").await;
    }
    shop.audit().await;
    assert_eq!(shop.count("ledger_transactions").await, 20, "each payment is booked once");
}

// PAY-10, D36, D45
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genuine_webhook_replayed_under_new_ids_changes_nothing_however_late() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let (session, payment) = paid(&shop, &customer).await;
    let before = shop.summary(&session.order_id).await;
    let runs = shop.count("runs").await;
    for age in ["0 days", "40 days"] {
        // Whatever the first one left behind is as old as that, or forgotten already.
        shop.run(&format!(
            "update webhook_events set received_at = received_at - interval '{age}',
               processed_at = processed_at - interval '{age}'"
        ))
        .await;
        shop.reconcile(&[]).await;
        for n in 0..10 {
            let id = format!("evt_replayed_{}_{n}", age.replace(' ', "_"));
            shop.webhook(&id, &captured(&session, &payment)).await.expect(200);
        }
    }
    shop.audit().await;
    assert_eq!(shop.summary(&session.order_id).await, before, "the order is as it was");
    assert_eq!(shop.count("runs where workflow <> 'reconcile'").await, runs, "no run was started");
}

// D37, D40
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_payment_in_any_order_have_one_effect() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    let event = captured(&session, &proof["razorpay_payment_id"]);
    for (n, kind) in ["order.paid", "payment.captured", "payment.authorized", "payment.failed"]
        .into_iter()
        .enumerate()
    {
        let mut event = event.clone();
        event["event"] = json!(kind);
        shop.webhook(&format!("evt_{n}"), &event).await.expect(200);
    }
    customer.wait_for(&order, "PAID").await;
    shop.audit().await;
    assert_eq!(shop.count("ledger_transactions").await, 1, "the payment is booked once");
    assert_eq!(shop.count("outbox where topic = 'order.paid'").await, 1, "and announced once");
    assert_eq!(shop.count("signals where signal_id like 'captured:%'").await, 1);
}

// D44
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_secret_is_replaced_both_are_taken_and_afterwards_the_new_one_only() {
    let plan = Shop::plan().api_env("MAKEGOOD_WEBHOOK_SECRET", "the-next-webhook-secret");
    let plan = plan.api_env("MAKEGOOD_WEBHOOK_SECRET_PREVIOUS", "sandbox-webhook-secret");
    let mut shop = plan.open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.pay(&session).await; // The gateway still signs with the old secret.
    customer.wait_for(&order, "PAID").await;
    let url = shop.api.url("/api/v1/webhooks/razorpay");
    let target = json!({"url": url, "secret": "the-next-webhook-secret"});
    let turned = Web::new().put(&shop.gateway("/sandbox/webhook-url")).json(&target);
    Answer::of(turned).await.unwrap().expect(204);
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.pay(&session).await;
    customer.wait_for(&order, "PAID").await;
    let metrics = shop.get(&shop.api.url("/metrics")).await.body;
    let metrics = metrics.as_str().unwrap_or_default().to_owned();
    for secret in ["current", "previous"] {
        let used = format!("makegood_webhook_secrets_total{{secret=\"{secret}\"}}");
        assert!(metrics.contains(&used), "which secret fitted is counted: {used}");
    }
    shop.forget_previous_secret().await;
    let kept = shop.count("webhook_events").await;
    let late = shop.webhook("evt_late", &captured(&session, &json!("pay_x"))).await;
    assert_eq!((late.status, late.code()), (400, "BAD_SIGNATURE"), "the old one is out of use");
    assert_eq!(shop.count("webhook_events").await, kept);
}

// G86
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_forgotten_after_the_senders_last_replay_and_never_while_an_order_waits() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let (session, payment) = paid(&shop, &customer).await;
    let waiting = customer.place(&[("tea", 1)]).await;
    let waiting = customer.session(&waiting).await;
    shop.webhook("evt_waiting", &captured(&waiting, &json!("pay_waiting"))).await.expect(200);
    shop.webhook("evt_young", &captured(&session, &payment)).await.expect(200);
    let of_nobody = Session { gateway_order_id: "order_nobody".to_owned(), ..session.clone() };
    shop.webhook("evt_nobody", &captured(&of_nobody, &json!("pay_nobody"))).await.expect(200);
    let all = shop.count("webhook_events").await;
    shop.run(
        "update webhook_events set processed_at = now() - interval '29 days'
         where event_id = 'evt_young';
         update webhook_events set processed_at = now() - interval '31 days'
         where event_id not in ('evt_young', 'evt_nobody');
         update webhook_events set received_at = now() - interval '7 days'
         where event_id = 'evt_nobody'",
    )
    .await;
    let gone = shop.count("webhook_events where processed_at < now() - interval '30 days'").await;
    shop.reconcile(&["--age-secs", "86400"]).await;
    assert_eq!(shop.count("webhook_events").await, all - gone + 1, "the old ones but one are gone");
    assert_eq!(shop.count("webhook_events where event_id = 'evt_waiting'").await, 1, "it waits");
    assert_eq!(shop.count("webhook_events where event_id = 'evt_young'").await, 1, "29 days");
    let given_up = "select state from webhook_events where event_id = 'evt_nobody'";
    until("what matched nothing for days is given up", async || {
        (shop.read::<String>(given_up).await == "IGNORED").then_some(())
    })
    .await;
}
