//! A shop's webhook address: keeps what comes, and answers as told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::timeout};

/// One webhook that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) event_id: String,
    pub(crate) signature: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn event(&self) -> &str {
        self.body["event"].as_str().expect("an event name")
    }
}

#[derive(Default)]
struct Inbox {
    received: Mutex<Vec<Received>>,
    answers: Mutex<VecDeque<u16>>,
    came: Notify,
}

/// A running address; ends when dropped.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inbox: Arc<Inbox>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Answers the first webhooks with `answers`, the others with 200.
    pub(crate) async fn open(answers: &[u16]) -> Self {
        let inbox = Arc::new(Inbox::default());
        inbox.answers.lock().unwrap().extend(answers);
        let app = Router::new().route("/hook", post(take)).with_state(Arc::clone(&inbox));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { url, inbox, server }
    }

    /// Waits until what came satisfies `enough`, and gives it.
    pub(crate) async fn until(&self, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let wait = async {
            loop {
                let came = self.inbox.came.notified();
                let received = self.inbox.received.lock().unwrap().clone();
                if enough(&received) {
                    return received;
                }
                came.await;
            }
        };
        match timeout(Duration::from_secs(10), wait).await {
            Ok(received) => received,
            Err(late) => {
                panic!("{late}, only this came: {:?}", self.inbox.received.lock().unwrap())
            }
        }
    }

    /// Waits until `event` came `times` times, and gives those.
    pub(crate) async fn events(&self, event: &str, times: usize) -> Vec<Received> {
        let count = |all: &[Received]| all.iter().filter(|one| one.event() == event).count();
        let all = self.until(|all| count(all) >= times).await;
        all.into_iter().filter(|one| one.event() == event).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, raw: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    inbox.received.lock().unwrap().push(Received {
        event_id: header("x-razorpay-event-id"),
        signature: header("x-razorpay-signature"),
        body: serde_json::from_slice(&raw).expect("JSON"),
        raw: raw.to_vec(),
    });
    let answer = inbox.answers.lock().unwrap().pop_front().unwrap_or(200);
    inbox.came.notify_waiters();
    StatusCode::from_u16(answer).expect("a status")
}
