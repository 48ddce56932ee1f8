//! What a test asks of an open shop: its tables, its gateway, and whether every promise holds.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Postgres};

use crate::books::{self, Stock, Summary};
use crate::gateway::Truth;
use crate::http::Answer;
use crate::shop::Shop;
use crate::wait::{PATIENCE, until, until_within};

impl Shop {
    /// Runs statements of the test's own making.
    pub async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// Reads one value.
    pub async fn read<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    /// Counts rows: `count("orders where status = 'PAID'")`.
    pub async fn count(&self, rows: &str) -> i64 {
        self.read(&format!("select count(*) from {rows}")).await
    }

    /// A product's counters.
    pub async fn stock(&self, sku: &str) -> Stock {
        books::stock(&mut self.pool.acquire().await.unwrap(), sku).await
    }

    /// Everything that an order left behind.
    pub async fn summary(&self, order_id: &str) -> Summary {
        books::summary(&mut self.pool.acquire().await.unwrap(), order_id).await
    }

    /// The records of an order's checkout: kind and name of each.
    pub async fn history(&self, order_id: &str) -> Vec<String> {
        books::history(&mut self.pool.acquire().await.unwrap(), order_id).await
    }

    /// Plants a fault in the gateway.
    pub async fn fault(&self, fault: &Value) {
        let planted = self.web.post(&self.gateway("/sandbox/faults")).json(fault);
        Answer::of(planted).await.unwrap().expect(204);
    }

    /// Asks the gateway's hidden hand for something, such as `payments/{id}/late-capture`.
    pub async fn meddle(&self, path: &str, body: &Value) -> Answer {
        let url = self.gateway(&format!("/sandbox/{path}"));
        Answer::of(self.web.post(&url).json(body)).await.unwrap()
    }

    /// The gateway's own books.
    pub async fn gateway_truth(&self) -> Truth {
        let answer = Answer::of(self.web.get(&self.gateway("/sandbox/state"))).await.unwrap();
        serde_json::from_value(answer.expect(200).body).unwrap()
    }

    /// Sends a genuine webhook of the test's own making.
    pub async fn webhook(&self, event_id: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let signature =
            gateway_sandbox::signature::webhook(&self.config.webhook_secret, body.as_bytes());
        let request = self.web.post(&self.api.url("/api/v1/webhooks/razorpay"));
        let request = request.header("x-razorpay-signature", signature);
        let request = request.header("x-razorpay-event-id", event_id);
        Answer::of(request.header("content-type", "application/json").body(body)).await.unwrap()
    }

    /// Has a worker compare the books with the gateway; what the command says, and its exit code.
    pub async fn reconcile(&self, args: &[&str]) -> (Value, Option<i32>) {
        let mut command = vec!["reconcile", "-o", "json", "--wait-secs", "120"];
        command.extend(args);
        let output = self.command(&command).output().await.unwrap();
        let said = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (said, output.status.code())
    }

    /// Waits until no run is live.
    pub async fn all_ended(&self) {
        self.ended_but(0).await;
    }

    /// Waits until only so many runs are live.
    pub async fn ended_but(&self, live: i64) {
        until_within(PATIENCE * 2, "every run ends", async || {
            let left: Result<i64, _> =
                sqlx::query_scalar("select count(*) from tasks").fetch_one(&self.pool).await;
            (left.ok()? == live).then_some(())
        })
        .await;
    }

    /// Waits until every run has ended; then no promise may be broken.
    pub async fn audit(&self) {
        self.all_ended().await;
        let faults = self.faults().await;
        assert!(faults.is_empty(), "every promise holds, but: {faults:#?}");
    }

    /// Waits until nothing is left to do, also about news that the gateway has yet to bring.
    pub async fn agrees_within(&self, limit: Duration) {
        let agreed = until_within(limit, "the books agree", async || {
            let live = self.count("tasks").await;
            (live == 0 && self.faults().await.is_empty()).then_some(())
        });
        agreed.await;
    }

    async fn faults(&self) -> Vec<String> {
        let truth = self.gateway_truth().await;
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *tx)
            .await
            .unwrap();
        books::faults(&mut tx, &truth).await
    }

    /// Waits until a query answers true.
    pub async fn holds(&self, what: &str, sql: &str) {
        until(what, async || self.read::<bool>(sql).await.then_some(())).await;
    }
}
