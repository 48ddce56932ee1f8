//! Money back, as customers, admins and the gateway's dashboard ask for it; and time that passes.

use std::time::Duration;

use makegood::{Client, Database};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::customer::Customer;
use crate::http::Answer;
use crate::shop::Shop;
use crate::wait::until;

impl Customer {
    /// Asks for money back: `{}` for all of it, else with `amount` and so on.
    pub async fn refund(&self, order_id: &str, key: &str, wish: Value) -> Answer {
        let mut body = json!({"reason": "it does not fit"});
        let wishes = wish.as_object().cloned().unwrap_or_default();
        body.as_object_mut().expect("an object").extend(wishes);
        let request = self.post(&format!("/api/v1/orders/{order_id}/refunds"));
        let request = request.header("idempotency-key", key).json(&body);
        Answer::of(request).await.expect("the API answers")
    }

    /// The refunds of an order, the first first.
    pub async fn refunds(&self, order_id: &str) -> Vec<Value> {
        let answer = self.try_refunds(order_id).await.expect(200);
        answer.body.pointer("/data/refunds").and_then(Value::as_array).cloned().expect("a list")
    }

    /// Asks for the refunds of an order.
    pub async fn try_refunds(&self, order_id: &str) -> Answer {
        let request = self.get(&format!("/api/v1/orders/{order_id}/refunds"));
        Answer::of(request).await.expect("the API answers")
    }

    /// Waits until a paid order has this status.
    pub async fn sees(&self, order_id: &str, status: &str) {
        until(&format!("order {order_id} is {status}"), async || {
            (self.status(order_id).await == status).then_some(())
        })
        .await;
    }

    /// Waits until the refunds of an order have these statuses.
    pub async fn wait_for_refunds(&self, order_id: &str, statuses: &[&str]) -> Vec<Value> {
        until(&format!("the refunds of {order_id} are {statuses:?}"), async || {
            let refunds = self.refunds(order_id).await;
            let found: Vec<_> =
                refunds.iter().filter_map(|refund| refund.get("status")?.as_str()).collect();
            (found == statuses).then_some(refunds)
        })
        .await
    }
}

impl Shop {
    /// Somebody gives money back in the gateway's dashboard; its refund there.
    pub async fn refund_in_dashboard(&self, payment: &str, amount_minor: i64) -> String {
        let url = self.gateway(&format!("/v1/payments/{payment}/refund"));
        let secret = self.config.key_secret.expose_secret();
        let request = self.web.post(&url).basic_auth(&self.config.key_id, Some(secret));
        let answer = Answer::of(request.json(&json!({"amount": amount_minor}))).await;
        answer.expect("the gateway answers").expect(200).text("/id").to_owned()
    }

    /// Has a schedule fire out of turn, and waits for what its run ends with.
    pub async fn fire(&self, schedule: &str) -> Value {
        let client = Client::connect(&self.database().await).await.expect("a client");
        let mut conn = self.pool.acquire().await.expect("a connection");
        let fired = client.fire_schedule(&mut conn, schedule).await.expect("the schedule is kept");
        client.wake();
        let output = format!("select output from runs where run_id = '{}'", fired.run_id);
        until(&format!("{schedule} ends"), async || self.read::<Option<Value>>(&output).await).await
    }

    /// The cell as the engine sees it.
    pub async fn database(&self) -> Database {
        let cell: String = self.read("select current_schema()::text").await;
        let url = self.pool.connect_options().to_url_lossy();
        Database::new(url.as_str(), &cell).expect("a database")
    }

    /// Moves every timer and every wait of the cell nearer by this much.
    pub async fn advance(&self, by: Duration) {
        let ms = by.as_millis();
        self.run(&format!(
            "update tasks k
             set due_at = k.due_at - {ms} * interval '1 ms',
                 waits = (select jsonb_object_agg(w.key, w.value::timestamptz - {ms} * interval '1 ms')
                          from jsonb_each_text(k.waits) w)
             where k.due_at > now() and k.waits is not null"
        ))
        .await;
    }

    /// Waits until the run of a refund waits for this much time to pass.
    pub async fn refund_waits(&self, by: Duration) {
        let waits = format!(
            "select exists (
               select from run_states s join tasks t on t.run_id = s.run_id
               where s.workflow = 'refund' and t.waits is not null and t.owner is null
                 and t.due_at > now() + {} * interval '1 ms')",
            by.as_millis() / 2
        );
        self.holds("a refund waits", &waits).await;
    }

    /// The same, and lets it pass.
    pub async fn pass(&self, by: Duration) {
        self.refund_waits(by).await;
        self.advance(by).await;
    }
}
