//! The world outside: a small HTTP service that books, charges and delivers, and can be told to
//! fail. It knows its customers' idempotency keys, and nothing of sagas.

mod books;
mod client;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::books::{Books, Placed};
pub use self::client::{Client, NoClient};

/// What is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What: `flight`, `charge`, `welcome`, ...
    pub what: String,
    /// For whom.
    pub whom: String,
    /// For how much; 0 where it costs nothing.
    pub cents: u64,
}

/// What it answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its own number of the order.
    pub number: u64,
}

/// Why it refuses an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
}

/// What goes wrong with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused for good, with this code.
    Refused(&'static str),
    /// Nothing happens; the service asks to try again later.
    Busy,
    /// It is carried out, and the answer is lost.
    AnswerLost,
}

/// The running service. Dropped, it ends.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use makegood_examples::outside::{Fault, Service};
///
/// let outside = Service::start().await?;
/// outside.fail("car", &[Fault::Busy, Fault::AnswerLost]); // the next two orders of a car
/// assert_eq!(outside.standing(), Vec::<String>::new());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    server: JoinHandle<()>,
}

impl Service {
    /// Starts it on a free port of this machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let books = Arc::new(Mutex::new(Books::default()));
        let router = Router::new()
            .route("/prices/{what}", get(price))
            .route("/{book}", post(place))
            .route("/{book}/{key}", get(find).delete(call_off))
            .with_state(Arc::clone(&books));
        let server = tokio::spawn(async move {
            // It ends with the task; until then it accepts and accepts.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, books, server })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the next orders of `what` go wrong, one after the other.
    pub fn fail(&self, what: &str, faults: &[Fault]) {
        self.books.lock().fail(what, faults);
    }

    /// Sets the price of `what`.
    pub fn set_price(&self, what: &str, cents: u64) {
        self.books.lock().set_price(what, cents);
    }

    /// Every order that stands, such as `bookings: flight for Ada`, sorted.
    pub fn standing(&self) -> Vec<String> {
        self.books.lock().standing()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Shared = State<Arc<Mutex<Books>>>;

async fn place(
    State(books): Shared,
    Path(book): Path<String>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let Some(key) = key else {
        return refusal("KEY_MISSING");
    };
    match books.lock().place(&book, key, order) {
        Placed::Stands(receipt) => Json(receipt).into_response(),
        Placed::Refused(code) => refusal(code),
        Placed::NotNow => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Placed::AnswerLost => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

async fn find(State(books): Shared, Path((book, key)): Path<(String, String)>) -> Response {
    match books.lock().find(&book, &key) {
        Some(receipt) => Json(receipt).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn call_off(State(books): Shared, Path((book, key)): Path<(String, String)>) -> StatusCode {
    books.lock().call_off(&book, &key);
    StatusCode::NO_CONTENT
}

async fn price(State(books): Shared, Path(what): Path<String>) -> Json<u64> {
    Json(books.lock().price(&what))
}

fn refusal(code: &str) -> Response {
    (StatusCode::CONFLICT, Json(Refusal { code: code.to_owned() })).into_response()
}
