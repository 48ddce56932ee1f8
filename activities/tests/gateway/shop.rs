//! A sandbox of its own for each test, the client under test, and the customer's and admin's hands.

use std::sync::Arc;
use std::time::Duration;

use activities::gateway::{
    Gateway, GatewayConfig, GatewayOrder, NewGatewayOrder, Notes, RazorpayClient, install_tls,
};
use domain::{Capture, Currency, GatewayPaymentId, Money};
use gateway_sandbox::{Config, Sandbox};
use serde_json::{Value, json};

const KEY_ID: &str = "rzp_test_contract";
const KEY_SECRET: &str = "hush-hush";

/// One sandbox and everybody who talks to it.
pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
    pub(crate) gateway: Arc<dyn Gateway>,
    http: reqwest::Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        install_tls();
        let config =
            Config { key_id: KEY_ID.into(), key_secret: KEY_SECRET.into(), ..Config::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let gateway = Arc::new(client(&sandbox, KEY_SECRET));
        Self { sandbox, gateway, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) async fn close(self) {
        self.sandbox.stop().await;
    }

    pub(crate) async fn order(&self, receipt: &str) -> GatewayOrder {
        self.gateway.create_order(&new_order(receipt)).await.unwrap()
    }

    /// The customer pays in the hosted page, with this outcome.
    pub(crate) async fn pay(&self, order: &GatewayOrder, outcome: &str) -> GatewayPaymentId {
        let body = json!({"order_id": order.id.as_str(), "method": "card", "outcome": outcome});
        let answer = self.post("/checkout/pay", &body).await;
        let id = &answer["razorpay_payment_id"];
        let id = id.as_str().or(answer["error"]["metadata"]["payment_id"].as_str());
        id.unwrap_or_else(|| panic!("the page names the payment: {answer}")).parse().unwrap()
    }

    pub(crate) async fn fault(&self, operation: &str, action: Value) {
        let fault = json!({"match": {"operation": operation}, "times": 1, "action": action});
        let planted = self.post("/sandbox/faults", &fault).await;
        assert!(planted.get("error").is_none(), "the fault is planted: {planted}");
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.sandbox.url());
        let answer = self.http.post(url).json(body).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }
}

pub(crate) fn client(sandbox: &Sandbox, secret: &str) -> RazorpayClient {
    let mut config = GatewayConfig::new(&sandbox.url(), KEY_ID, secret.into());
    config.timeout = Duration::from_secs(2);
    RazorpayClient::new(config).unwrap()
}

pub(crate) fn new_order(receipt: &str) -> NewGatewayOrder {
    let notes = Notes::from([("order".to_owned(), "o-1".to_owned())]);
    NewGatewayOrder {
        receipt: receipt.to_owned(),
        amount: rupees(11686),
        capture: Capture::Automatic,
        notes,
    }
}

pub(crate) fn rupees(paise: i64) -> Money {
    Money::from_minor(paise, Currency::Inr)
}
