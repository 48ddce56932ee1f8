//! The live status of an order.

use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::orders::open_payment;
use crate::support::{Customer, Shop, read, until};

/// One event: its id, its name and its data.
type Event = (i64, String, Value);

async fn follow(customer: &Customer<'_>, order: &str, after: Option<i64>) -> Response {
    let request = customer.request(Method::GET, &format!("/api/v1/orders/{order}/stream"));
    let request = match after {
        Some(id) => request.header("last-event-id", id.to_string()),
        None => request,
    };
    request.send().await.unwrap()
}

/// A stream as a browser reads it.
struct Reader {
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    text: String,
}

impl Reader {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { chunks: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event = parse(&self.text[..end]);
                self.text.drain(..end + 2);
                if event.is_some() {
                    return event;
                }
            }
            let chunk = self.chunks.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// None for a comment.
fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let data = serde_json::from_str(&field("data")?).unwrap();
    Some((field("id")?.parse().unwrap(), field("event")?, data))
}

fn statuses(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(_, _, data)| data["status"].as_str().unwrap()).collect()
}

async fn move_to(shop: &Shop, order: &str, from: &str, to: &str) {
    shop.run(&format!(
        "update orders set status = '{to}' where order_id = '{order}';
         insert into order_events (order_id, from_status, to_status, actor, reason)
         values ('{order}', '{from}', '{to}', 'test', '{to}_CODE')"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_begins_with_the_history_follows_and_ends_with_the_checkout() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    move_to(&shop, &order, "PENDING", "RESERVED").await;

    let mut stream = Reader::of(follow(&ada, &order, None).await);
    let mut seen = vec![stream.next().await.unwrap(), stream.next().await.unwrap()];
    move_to(&shop, &order, "RESERVED", "EXPIRED").await;
    seen.extend(stream.rest().await);
    assert_eq!(statuses(&seen), ["PENDING", "RESERVED", "EXPIRED"]);
    assert!(seen.iter().all(|(_, name, _)| name == "status"), "{seen:?}");
    assert_eq!(seen[2].2["reason_code"], "EXPIRED_CODE");
    assert!(seen[2].2["at"].is_string());

    let resumed = Reader::of(follow(&ada, &order, Some(seen[0].0)).await).rest().await;
    assert_eq!(resumed, seen[1..], "a client goes on after the last event it saw");
    let done = follow(&ada, &order, Some(seen[2].0)).await;
    assert_eq!(done.status(), 204, "who has seen the end is told not to come back");
    let request = ada.request(Method::GET, &format!("/api/v1/orders/{order}/stream"));
    let nonsense = read(request.header("last-event-id", "yesterday")).await;
    assert_eq!(nonsense.text("/error/details/field"), "Last-Event-ID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reconnects_in_between_misses_and_repeats_nothing() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    let first = Reader::of(follow(&ada, &order, None).await).next().await.unwrap();
    assert_eq!(first.2["status"], "PENDING");
    let resumed = Reader::of(follow(&ada, &order, Some(first.0)).await);
    move_to(&shop, &order, "PENDING", "CANCELLED").await;
    let seen = resumed.rest().await;
    assert_eq!(statuses(&seen), ["CANCELLED"], "only what is new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_ends_streams_and_answers_what_was_asked_before() {
    let shop = Shop::open_with(|config| {
        config.settle_wait = Duration::from_secs(10);
        config.drain = Duration::from_secs(8);
    })
    .await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let order = ada.place("TEA", 1).await;
    open_payment(&shop, &order, "order_G1").await;
    let waiting = ada.place("TEA", 1).await;

    let mut stream = Reader::of(follow(&ada, &order, None).await);
    assert_eq!(stream.next().await.unwrap().2["status"], "PENDING");
    let held = shop.lock("payments").await;
    let session = ada.request(Method::POST, "/api/v1/payments/create-session");
    let session = tokio::spawn(read(session.json(&json!({ "order_id": waiting }))));
    shop.until_blocked("payments").await;

    let (url, http) = (shop.url("/livez"), shop.http.clone());
    let began = Instant::now();
    tokio::join!(shop.stop(), async {
        until("nobody listens any more", async || http.get(&url).send().await.is_err()).await;
        held.rollback().await.unwrap();
    });
    assert!(began.elapsed() < Duration::from_secs(5), "a stop does not wait for open streams");
    let session = session.await.unwrap();
    assert_eq!(session.refusal(), (503, "SESSION_NOT_READY".to_owned()), "answered, not cut off");
    assert_eq!(stream.rest().await, [], "the stream ended in order");
}
