//! The live status of an order.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::orders::open_payment;
use crate::support::{Customer, Shop, read};

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

/// Events until `enough` or the end of the stream.
async fn events(response: Response, enough: usize) -> Vec<Event> {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    while events.len() < enough {
        let Some(chunk) = stream.next().await else { break };
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            events.extend(parse(event));
            text = rest.to_owned();
        }
    }
    events
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

    let response = follow(&ada, &order, None).await;
    let (seen, ()) = tokio::join!(events(response, usize::MAX), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        move_to(&shop, &order, "RESERVED", "EXPIRED").await;
    });
    assert_eq!(statuses(&seen), ["PENDING", "RESERVED", "EXPIRED"]);
    assert!(seen.iter().all(|(_, name, _)| name == "status"), "{seen:?}");
    assert_eq!(seen[2].2["reason_code"], "EXPIRED_CODE");
    assert!(seen[2].2["at"].is_string());

    let resumed = events(follow(&ada, &order, Some(seen[0].0)).await, usize::MAX).await;
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
    let first = events(follow(&ada, &order, None).await, 1).await;
    assert_eq!(statuses(&first), ["PENDING"]);
    let response = follow(&ada, &order, Some(first[0].0)).await;
    let (seen, ()) = tokio::join!(events(response, usize::MAX), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        move_to(&shop, &order, "PENDING", "CANCELLED").await;
    });
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

    let stream = follow(&ada, &order, None).await;
    let session = ada.request(Method::POST, "/api/v1/payments/create-session");
    let session = tokio::spawn(read(session.json(&serde_json::json!({ "order_id": waiting }))));
    let streamed = tokio::spawn(events(stream, usize::MAX));
    // The server has the request once it holds it open.
    tokio::time::sleep(Duration::from_millis(300)).await;

    let url = shop.url("/livez");
    let http = shop.http.clone();
    let began = std::time::Instant::now();
    shop.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "a stop does not wait for open streams");
    let session = session.await.unwrap();
    assert_eq!(session.refusal(), (503, "SESSION_NOT_READY".to_owned()), "answered, not cut off");
    assert_eq!(statuses(&streamed.await.unwrap()), ["PENDING"], "the stream ended in order");
    assert!(http.get(url).send().await.is_err(), "nobody listens any more");
}
