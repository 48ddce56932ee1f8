//! Live pages: told when what they show has moved, and only then; within limits for everybody.

use std::time::{Duration, Instant};

use domain::Rank;
use futures::{FutureExt, StreamExt};
use reqwest::Method;

use crate::browser::{Browser, sign_in};
use crate::stuck::until_state;
use crate::support::{Shop, until};
use crate::trade::{ship, sign, worker};

/// The events of a page's stream.
struct Live {
    chunks:
        std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<axum::body::Bytes>> + Send>>,
    text: String,
}

impl Live {
    async fn open(ada: &Browser<'_>, path: &str) -> Self {
        let answer = ada.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { chunks: Box::pin(answer.bytes_stream()), text: String::new() }
    }

    /// Whether anything came so far.
    fn is_told(&mut self) -> bool {
        while let Some(Some(Ok(chunk))) = self.chunks.next().now_or_never() {
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
        self.text.contains("event: ")
    }

    /// Waits for the next change; `false` at the end of the stream.
    async fn changed(&mut self) -> bool {
        loop {
            if let Some(at) = self.text.find("event: changed") {
                self.text.drain(..=at);
                return true;
            }
            let Some(Ok(chunk)) = self.chunks.next().await else { return false };
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}

#[tokio::test]
async fn a_page_is_told_when_its_run_has_moved_and_when_the_server_stops() {
    let shop = Shop::open().await;
    let worker = worker(&shop).await;
    let run = ship(&shop, "parcel-1", "works").await;
    until_state(&shop, run, "WAITING").await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = ada.get(&format!("/console/runs/{run}")).await.html;
    let (_, rest) = page.split_once("data-live=\"").unwrap();
    let source = rest.split_once('"').unwrap().0.replace("&#38;", "&");
    assert!(source.contains("?seen="), "{source}");
    let mut live = Live::open(&ada, &source).await;
    let mut everything = Live::open(&ada, "/console/live?of=runs").await;
    sign(&shop, "parcel-1").await;
    assert!(live.changed().await, "the signal is news");
    assert!(everything.changed().await, "and for the lists");
    until_state(&shop, run, "COMPLETED").await;
    // Whoever saw the page before the signal is told at once.
    let mut behind = Live::open(&ada, &source).await;
    let began = Instant::now();
    assert!(behind.changed().await && began.elapsed() < Duration::from_secs(5));
    let nobody = Browser::new(&shop, "nobody");
    let turned = nobody.request(Method::GET, &source).send().await.unwrap();
    assert_ne!(
        turned.headers().get("content-type").map(reqwest::header::HeaderValue::as_bytes),
        Some(&b"text/event-stream"[..])
    );
    worker.drain().await.unwrap();
    let ended = tokio::spawn(async move { while behind.changed().await {} });
    shop.stop().await;
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .expect("streams end with the server")
        .unwrap();
}

#[tokio::test]
async fn a_page_that_looks_by_itself_keeps_no_session_from_being_idle() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    shop.run("update console_sessions set seen_at = now() - interval '50 minutes'").await;
    let used = "console_sessions where seen_at > now() - interval '1 minute'";
    let looks = ada.request(Method::GET, "/console/runs").header("x-live", "1");
    assert_eq!(ada.read(looks).await.status, 200);
    let stream = ada.request(Method::GET, "/console/live").header("accept", "text/event-stream");
    assert_eq!(stream.send().await.unwrap().status(), 200);
    assert_eq!(shop.count(used).await, 0, "nobody was at it");
    assert_eq!(ada.get("/console/runs").await.status, 200);
    assert_eq!(shop.count(used).await, 1, "now somebody was");
    shop.stop().await;
}

/// The address of the stream of a page.
async fn source(browser: &mut Browser<'_>, page: &str) -> String {
    let html = browser.get(page).await.html;
    let (_, rest) = html.split_once("data-live=\"").unwrap();
    rest.split_once('"').unwrap().0.replace("&#38;", "&")
}

#[tokio::test]
async fn a_page_is_left_alone_while_nothing_of_what_it_shows_has_moved() {
    let shop = Shop::open().await;
    shop.run(
        "insert into workers (incarnation, name, host, pid, lease_until)
         values (gen_random_uuid(), 'w', 'h', 1, now() + interval '1 hour')",
    )
    .await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let runs = source(&mut ada, "/console/runs").await;
    let mut runs = Live::open(&ada, &runs).await;
    let overview = source(&mut ada, "/console").await;
    let mut overview = Live::open(&ada, &overview).await;
    let incidents = source(&mut ada, "/console/incidents").await;
    let mut incidents = Live::open(&ada, &incidents).await;
    let workers = source(&mut ada, "/console/workers").await;
    let mut workers = Live::open(&ada, &workers).await;
    for _ in 0..3 {
        shop.run("update workers set lease_until = lease_until + interval '1 second'").await;
        assert!(workers.changed().await, "leases are a matter of the workers' page");
    }
    for quiet in [&mut runs, &mut overview, &mut incidents] {
        assert!(!quiet.is_told(), "a renewed lease is no news of runs: {}", quiet.text);
    }
    ship(&shop, "parcel-1", "works").await;
    assert!(runs.changed().await && overview.changed().await, "a run was started");
    assert!(workers.changed().await, "which a worker may take");
    assert!(!incidents.is_told(), "and needs nobody: {}", incidents.text);
    shop.stop().await;
}

#[tokio::test]
async fn one_operator_takes_no_more_than_a_share_of_the_places_and_a_closed_page_makes_room() {
    let shop = Shop::open().await;
    let ada = sign_in(&shop, Rank::Viewer).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Live::open(&ada, "/console/live?of=runs").await);
    }
    let mut one_more = Live::open(&ada, "/console/live?of=runs").await;
    assert!(!one_more.changed().await && one_more.text.contains("event: full"), "it says why");
    let bob = sign_in(&shop, Rank::Viewer).await;
    let mut others = Live::open(&bob, "/console/live?of=runs").await;
    assert!(!others.is_told(), "others have places: {}", others.text);
    drop(open);
    until("there is room again", async || {
        !Live::open(&ada, "/console/live?of=runs").await.is_told()
    })
    .await;
    shop.stop().await;
}
