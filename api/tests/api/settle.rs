//! With a worker and a gateway: whoever reports a payment, it is settled once.

use std::sync::Arc;
use std::time::Duration;

use activities::gateway::{GatewayConfig, RazorpayClient};
use futures::future::join_all;
use gateway_sandbox::{Config as SandboxConfig, Sandbox};
use makegood::{Registry, Worker, WorkerConfig};
use serde_json::{Value, json};

use crate::support::{Customer, KEY_ID, KEY_SECRET, Shop, WEBHOOK_SECRET, read, until};

/// A shop with everything it needs to sell.
struct Business {
    shop: Shop,
    sandbox: Sandbox,
    worker: Worker,
}

impl Business {
    async fn open() -> Self {
        let shop = Shop::open_with(|config| config.settle_wait = Duration::from_secs(10)).await;
        shop.product("TEA", 1_000, 100).await;
        let sandbox = Sandbox::start(SandboxConfig {
            key_id: KEY_ID.to_owned(),
            key_secret: KEY_SECRET.into(),
            webhook_secret: WEBHOOK_SECRET.into(),
            webhook_url: Some(shop.url("/api/v1/webhooks/razorpay")),
            ..SandboxConfig::default()
        })
        .await
        .unwrap();
        let gateway = GatewayConfig::new(&sandbox.url(), KEY_ID, KEY_SECRET.into());
        let gateway = Arc::new(RazorpayClient::new(gateway).unwrap());
        let registry = workflows::register(activities::register(Registry::new(), gateway));
        let worker =
            Worker::start(&shop.database, registry, WorkerConfig::default()).await.unwrap();
        Self { shop, sandbox, worker }
    }

    /// The customer asks for a session and pays at the gateway: what its page hands back.
    async fn pay(&self, customer: &Customer<'_>, order: &str) -> Value {
        let body = json!({ "order_id": order });
        let session = customer.post("/api/v1/payments/create-session", &body).await;
        assert_eq!(session.status, 200, "{}", session.body);
        self.pay_at(&session.text("/data/gateway_order_id"), order).await
    }

    async fn pay_at(&self, gateway_order: &str, order: &str) -> Value {
        let page = json!({ "order_id": gateway_order, "method": "upi", "vpa": "success@razorpay" });
        let url = format!("{}/checkout/pay", self.sandbox.url());
        let paid = read(self.shop.http.post(url).json(&page)).await;
        assert_eq!(paid.status, 200, "{}", paid.body);
        let mut handed_back = paid.body;
        handed_back["order_id"] = json!(order);
        handed_back
    }

    /// Webhooks go nowhere from now on.
    async fn lose_webhooks(&self) {
        let url = format!("{}/sandbox/faults", self.sandbox.url());
        let fault = json!({ "match": {}, "times": 1_000, "action": { "kind": "lose" } });
        let reply = read(self.shop.http.post(url).json(&fault)).await;
        assert!(reply.status < 300, "{}", reply.body);
    }

    async fn assert_settled_once(&self, orders: i64) {
        let counts = [
            ("orders where status = 'PAID'", orders),
            ("order_events where to_status = 'PAID'", orders),
            ("payments where status = 'SUCCESS' and not stray", orders),
            ("ledger_transactions where kind = 'CAPTURE'", orders),
            ("refunds", 0),
        ];
        for (rows, expected) in counts {
            assert_eq!(self.shop.count(rows).await, expected, "{rows}");
        }
    }

    async fn close(self) {
        self.worker.drain().await.unwrap();
        self.sandbox.stop().await;
        self.shop.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_alone_settles_an_order_and_repeats_its_answer() {
    let business = Business::open().await;
    business.lose_webhooks().await;
    let ada = business.shop.customer().await;
    let order = ada.place("TEA", 2).await;
    let handed_back = business.pay(&ada, &order).await;
    let settled = json!({ "order_id": order, "order_status": "PAID", "payment_status": "SUCCESS" });
    let verify = || ada.post("/api/v1/payments/verify", &handed_back);
    for reply in join_all((0..10).map(|_| verify())).await {
        assert_eq!((reply.status, &reply.body["data"]), (200, &settled), "{}", reply.body);
    }
    let again = verify().await;
    assert_eq!((again.status, &again.body["data"]), (200, &settled), "the same answer for ever");
    business.assert_settled_once(1).await;
    assert_eq!(business.shop.count("runs").await, 1, "repeats start nothing");

    let body = json!({ "order_id": order });
    let paid = ada.post("/api/v1/payments/create-session", &body).await;
    assert_eq!(paid.refusal(), (409, "ORDER_PAID".to_owned()), "it cannot be paid again");
    assert_eq!(ada.cancel(&order).await.refusal(), (409, "TOO_LATE".to_owned()));
    business.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_alone_settle_an_order() {
    let business = Business::open().await;
    let ada = business.shop.customer().await;
    let order = ada.place("TEA", 1).await;
    business.pay(&ada, &order).await;
    until("the order is paid", async || ada.status(&order).await == "PAID").await;
    business.assert_settled_once(1).await;
    business.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_reports_by_both_ways_is_settled_once_each() {
    let business = Business::open().await;
    let ada = business.shop.customer().await;
    let checkouts = (0..12).map(|_| async {
        let order = ada.place("TEA", 1).await;
        let handed_back = business.pay(&ada, &order).await;
        let reply = ada.post("/api/v1/payments/verify", &handed_back).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.text("/data/order_status"), "PAID");
    });
    join_all(checkouts).await;
    business.assert_settled_once(12).await;
    business.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_before_the_payment_gives_the_stock_back() {
    let business = Business::open().await;
    let ada = business.shop.customer().await;
    let order = ada.place("TEA", 3).await;
    until("the stock is held", async || ada.status(&order).await == "RESERVED").await;
    assert_eq!(ada.cancel(&order).await.status, 202);
    until("the order is cancelled", async || ada.status(&order).await == "CANCELLED").await;
    let product = business.shop.get("/api/v1/products/TEA").await;
    assert_eq!(product.body["data"]["available"], 100, "all of it is on sale again");
    assert_eq!(ada.cancel(&order).await.status, 202, "the same wish gets the same answer");
    let body = json!({ "order_id": order });
    let session = ada.post("/api/v1/payments/create-session", &body).await;
    assert_eq!(session.refusal(), (409, "ORDER_CANCELLED".to_owned()));
    business.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_cancelled_order_is_reported_and_goes_back() {
    let business = Business::open().await;
    let ada = business.shop.customer().await;
    let order = ada.place("TEA", 1).await;
    let body = json!({ "order_id": order });
    let session = ada.post("/api/v1/payments/create-session", &body).await;
    assert_eq!(ada.cancel(&order).await.status, 202);
    until("the order is cancelled", async || ada.status(&order).await == "CANCELLED").await;

    let handed_back = business.pay_at(&session.text("/data/gateway_order_id"), &order).await;
    let reply = ada.post("/api/v1/payments/verify", &handed_back).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.text("/data/order_status"), "CANCELLED", "nobody is told that it is paid");
    until("the money is back", async || {
        business.shop.count("refunds where status = 'PROCESSED'").await == 1
    })
    .await;
    assert_eq!(ada.status(&order).await, "CANCELLED");
    business.close().await;
}
