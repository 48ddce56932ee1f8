//! A signed-in customer: what a browser does, over HTTP.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::http::{Answer, Web};
use crate::wait::until;

/// A customer with an access token.
#[derive(Clone, Debug)]
pub struct Customer {
    pub(crate) web: Web,
    pub(crate) api: String,
    pub(crate) gateway: String,
    pub(crate) token: String,
}

/// An open payment.
#[derive(Clone, Debug)]
pub struct Session {
    /// The shop's order.
    pub order_id: String,
    /// Its name at the gateway.
    pub gateway_order_id: String,
    /// What is to be paid, in minor units.
    pub amount_minor: i64,
}

impl Customer {
    /// The access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Places an order for these lines; its id.
    pub async fn place(&self, lines: &[(&str, i64)]) -> String {
        let key = format!("key-{}", Uuid::now_v7());
        let answer = self.try_place(&key, lines).await.expect("the API answers").expect(201);
        answer.text("/data/order/order_id").to_owned()
    }

    /// Tries to place an order under this key; `None` when the API does not answer.
    pub async fn try_place(&self, key: &str, lines: &[(&str, i64)]) -> Option<Answer> {
        let lines: Vec<Value> =
            lines.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
        let request = self.post("/api/v1/orders").header("idempotency-key", key);
        Answer::of(request.json(&json!({ "lines": lines }))).await
    }

    /// Sends an order off and is gone before any answer.
    pub async fn place_and_leave(&self, key: &str, sku: &str) {
        let body = json!({"lines": [{"sku": sku, "quantity": 1}]}).to_string();
        let host = self.api.trim_start_matches("http://");
        let request = format!(
            "POST /api/v1/orders HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let mut connection = tokio::net::TcpStream::connect(host).await.expect("the API listens");
        connection.write_all(request.as_bytes()).await.expect("it takes the request");
        connection.flush().await.expect("it takes the request");
    }

    /// The order as the customer sees it.
    pub async fn order(&self, order_id: &str) -> Value {
        let request = self.get(&format!("/api/v1/orders/{order_id}"));
        let answer = Answer::of(request).await.expect("the API answers").expect(200);
        answer.body.pointer("/data/order").cloned().expect("an order")
    }

    /// The order's status.
    pub async fn status(&self, order_id: &str) -> String {
        let order = self.order(order_id).await;
        order.get("status").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The order, as soon as it has this status; another final one is a failure.
    pub async fn wait_for(&self, order_id: &str, status: &str) -> Value {
        let what = format!("order {order_id} becomes {status}");
        until(&what, async || {
            let order = self.order(order_id).await;
            let is = order.get("status").and_then(Value::as_str).unwrap_or_default();
            let is_final = !["PENDING", "RESERVED"].contains(&is);
            assert!(is == status || !is_final, "{what}, but it is {order}");
            (is == status).then_some(order)
        })
        .await
    }

    /// Opens the order's payment, as soon as that is possible.
    pub async fn session(&self, order_id: &str) -> Session {
        let what = format!("order {order_id} can be paid");
        let answer = until(&what, async || {
            let answer = self.try_session(order_id).await?;
            (answer.status != 503).then_some(answer)
        });
        let answer = answer.await.expect(200);
        let amount = answer.body.pointer("/data/amount_minor").and_then(Value::as_i64);
        Session {
            order_id: order_id.to_owned(),
            gateway_order_id: answer.text("/data/gateway_order_id").to_owned(),
            amount_minor: amount.expect("an amount"),
        }
    }

    /// Asks once for the order's payment.
    pub async fn try_session(&self, order_id: &str) -> Option<Answer> {
        let body = json!({ "order_id": order_id });
        Answer::of(self.post("/api/v1/payments/create-session").json(&body)).await
    }

    /// Does on the gateway's page what `how` says; `{}` pays.
    pub async fn try_pay(&self, session: &Session, how: Value) -> Answer {
        let mut body = json!({"order_id": session.gateway_order_id, "outcome": "captured"});
        let wishes = how.as_object().cloned().unwrap_or_default();
        body.as_object_mut().expect("an object").extend(wishes);
        let request = self.web.post(&format!("{}/checkout/pay", self.gateway)).json(&body);
        Answer::of(request).await.expect("the gateway answers")
    }

    /// Pays, and answers the gateway's proof.
    pub async fn pay(&self, session: &Session) -> Value {
        self.try_pay(session, json!({})).await.expect(200).body
    }

    /// Hands the gateway's proof to the shop.
    pub async fn verify(&self, order_id: &str, proof: &Value) -> Answer {
        self.try_verify(order_id, proof).await.expect("the API answers")
    }

    /// The same; `None` when the API does not answer.
    pub async fn try_verify(&self, order_id: &str, proof: &Value) -> Option<Answer> {
        let mut body = proof.clone();
        let fields = body.as_object_mut().expect("a proof");
        fields.insert("order_id".to_owned(), json!(order_id));
        Answer::of(self.post("/api/v1/payments/verify").json(&body)).await
    }

    /// Calls the order off.
    pub async fn cancel(&self, order_id: &str) -> Answer {
        let request = self.post(&format!("/api/v1/orders/{order_id}/cancel"));
        let request = request.header("idempotency-key", format!("cancel-{order_id}"));
        let answer = Answer::of(request.json(&json!({"reason": "changed my mind"}))).await;
        answer.expect("the API answers")
    }

    /// Reads an address of the API.
    pub async fn read(&self, path: &str) -> Answer {
        Answer::of(self.get(path)).await.expect("the API answers")
    }

    /// Posts a body of the test's own making, under a key of its own.
    pub async fn send(&self, path: &str, body: &Value) -> Answer {
        let key = format!("key-{}", Uuid::now_v7());
        let request = self.post(path).header("idempotency-key", key).json(body);
        Answer::of(request).await.expect("the API answers")
    }

    /// Tries an order again whose payment has failed.
    pub async fn retry(&self, order_id: &str, key: &str) -> Answer {
        let request = self.post(&format!("/api/v1/orders/{order_id}/retry"));
        Answer::of(request.header("idempotency-key", key)).await.expect("the API answers")
    }

    /// Hands in a proof that is none; the answer is no.
    pub async fn forge(&self, session: &Session) {
        let proof = serde_json::json!({
            "razorpay_order_id": session.gateway_order_id,
            "razorpay_payment_id": "pay_00000000000000",
            "razorpay_signature": "0".repeat(64),
        });
        let answer = self.verify(&session.order_id, &proof).await.expect(400);
        assert_eq!(answer.code(), "BAD_SIGNATURE", "{answer}");
    }

    /// A whole purchase: placed, paid, verified, and PAID; the order's id.
    pub async fn buy(&self, lines: &[(&str, i64)]) -> String {
        let order = self.place(lines).await;
        let session = self.session(&order).await;
        let proof = self.pay(&session).await;
        let answer = self.verify(&order, &proof).await;
        assert!([200, 202].contains(&answer.status), "{answer}");
        self.wait_for(&order, "PAID").await;
        order
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.web.get(&format!("{}{path}", self.api)).bearer_auth(&self.token)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.web.post(&format!("{}{path}", self.api)).bearer_auth(&self.token)
    }
}
