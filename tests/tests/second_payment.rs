//! Two captured payments in one order at the gateway: the order is paid by one, the other goes
//! back. The gateway's sandbox takes care that it never has two; a gateway in bad shape may not.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::sync::{Arc, OnceLock};

use activities::gateway::{
    Gateway, GatewayConfig, GatewayFuture, GatewayOrder, GatewayPayment, GatewayPayout,
    GatewayRefund, NewGatewayOrder, Notes, RazorpayClient, install_tls,
};
use chrono::{DateTime, NaiveDate, Utc};
use domain::{GatewayOrderId, GatewayPaymentId, Money};
use makegood::{Database, Registry, Worker, WorkerConfig};
use makegood_tests::{Answer, Session, Shop, Stock, Web};
use serde_json::json;
use sqlx::ConnectOptions;

const KEYS: (&str, &str) = ("rzp_test_sandbox000000", "sandbox-key-secret");

/// The real gateway, which shows the payments of a twin as payments of every order.
struct Joined {
    gateway: RazorpayClient,
    twin: OnceLock<GatewayOrderId>,
}

impl Gateway for Joined {
    fn create_order<'a>(&'a self, order: &'a NewGatewayOrder) -> GatewayFuture<'a, GatewayOrder> {
        self.gateway.create_order(order)
    }

    fn orders_by_receipt<'a>(&'a self, receipt: &'a str) -> GatewayFuture<'a, Vec<GatewayOrder>> {
        self.gateway.orders_by_receipt(receipt)
    }

    fn order_payments<'a>(
        &'a self,
        order_id: &'a GatewayOrderId,
    ) -> GatewayFuture<'a, Vec<GatewayPayment>> {
        Box::pin(async move {
            let mut payments = self.gateway.order_payments(order_id).await?;
            if let Some(twin) = self.twin.get() {
                let others = self.gateway.order_payments(twin).await?;
                let order_id = Some(order_id.clone());
                payments.extend(
                    others.into_iter().map(|p| GatewayPayment { order_id: order_id.clone(), ..p }),
                );
            }
            Ok(payments)
        })
    }

    fn order<'a>(&'a self, id: &'a GatewayOrderId) -> GatewayFuture<'a, GatewayOrder> {
        self.gateway.order(id)
    }

    fn payments_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        skip: usize,
    ) -> GatewayFuture<'_, Vec<GatewayPayment>> {
        self.gateway.payments_between(from, to, skip)
    }

    fn payouts(&self, day: NaiveDate, skip: usize) -> GatewayFuture<'_, Vec<GatewayPayout>> {
        self.gateway.payouts(day, skip)
    }

    fn payment<'a>(&'a self, id: &'a GatewayPaymentId) -> GatewayFuture<'a, GatewayPayment> {
        self.gateway.payment(id)
    }

    fn capture<'a>(
        &'a self,
        id: &'a GatewayPaymentId,
        amount: Money,
    ) -> GatewayFuture<'a, GatewayPayment> {
        self.gateway.capture(id, amount)
    }

    fn refund<'a>(
        &'a self,
        id: &'a GatewayPaymentId,
        amount: Money,
        key: &'a str,
        notes: &'a Notes,
    ) -> GatewayFuture<'a, GatewayRefund> {
        self.gateway.refund(id, amount, key, notes)
    }

    fn refunds_of<'a>(&'a self, id: &'a GatewayPaymentId) -> GatewayFuture<'a, Vec<GatewayRefund>> {
        self.gateway.refunds_of(id)
    }

    fn refunds_since(
        &self,
        since: DateTime<Utc>,
        skip: usize,
    ) -> GatewayFuture<'_, Vec<GatewayRefund>> {
        self.gateway.refunds_since(since, skip)
    }
}

/// A worker of the shop in this process, with a gateway of the test's own.
async fn worker(shop: &Shop, gateway: Arc<Joined>) -> Worker {
    let cell: String = shop.read("select current_schema()::text").await;
    let url = shop.pool.connect_options().to_url_lossy();
    let database = Database::new(url.as_str(), &cell).unwrap();
    let registry = workflows::register(activities::register(Registry::new(), gateway));
    Worker::start(&database, registry, WorkerConfig::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_payments_captured_for_one_order_the_second_goes_back_in_the_same_checkout() {
    install_tls();
    let shop = Shop::plan().workers(0).without_webhooks().open().await;
    shop.product("tea", 10).await;
    let config = GatewayConfig::new(&shop.gateway(""), KEYS.0, KEYS.1.into());
    let gateway = RazorpayClient::new(config).unwrap();
    let joined = Arc::new(Joined { gateway, twin: OnceLock::new() });
    let worker = worker(&shop, Arc::clone(&joined)).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;

    let twin = json!({"amount": 1_000, "currency": "INR", "receipt": "twin"});
    let request = Web::new().post(&shop.gateway("/v1/orders")).basic_auth(KEYS.0, Some(KEYS.1));
    let twin = Answer::of(request.json(&twin)).await.unwrap().expect(200);
    let gateway_order_id = twin.text("/id").to_owned();
    joined.twin.set(gateway_order_id.parse().unwrap()).unwrap();
    customer.pay(&Session { gateway_order_id, ..session.clone() }).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    customer.wait_for(&order, "PAID").await;

    shop.audit().await;
    let truth = shop.gateway_truth().await;
    assert_eq!(truth.refunds.len(), 1, "one of them goes back, once");
    let summary = shop.summary(&order).await;
    assert_eq!(summary.run.as_deref(), Some("COMPLETED"));
    assert_eq!(summary.payments, ["REFUNDED stray", "SUCCESS"], "and the order keeps the other");
    assert_eq!(summary.captures, ["FULFILLED", "REFUNDED"]);
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
    worker.drain().await.unwrap();
}
