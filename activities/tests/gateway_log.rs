//! What the log tells of calls to the gateway, and what it keeps to itself.
//! One test in a process of its own: which spans are recorded is settled once for a process.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io;
use std::sync::{Arc, Mutex};

use activities::gateway::{Gateway, GatewayConfig, NewGatewayOrder, Notes, RazorpayClient};
use domain::{Capture, Currency, Money};
use gateway_sandbox::{Config, Sandbox};
use tracing_subscriber::fmt::format::FmtSpan;

const KEY_SECRET: &str = "hush-hush";

#[tokio::test]
async fn the_log_tells_what_was_called_and_neither_who_nor_with_which_key() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter("activities=trace,reqwest=trace,hyper=trace,hyper_util=trace")
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let config = Config { key_secret: KEY_SECRET.into(), ..Config::default() };
    let key_id = config.key_id.clone();
    let sandbox = Sandbox::start(config).await.unwrap();
    let config = GatewayConfig::new(&sandbox.url(), &key_id, KEY_SECRET.into());
    let gateway = RazorpayClient::new(config).unwrap();

    let order = NewGatewayOrder {
        receipt: "r-private".to_owned(),
        amount: Money::from_minor(11686, Currency::Inr),
        capture: Capture::Automatic,
        notes: Notes::from([("buyer".to_owned(), "n-private".to_owned())]),
    };
    gateway.create_order(&order).await.unwrap();
    gateway.orders_by_receipt("r-private").await.unwrap();
    gateway.payment(&"pay_00000000000000".parse().unwrap()).await.unwrap_err();
    sandbox.stop().await;

    let log = log.text();
    let told = ["gateway.operation=\"create_order\"", "http.status=200", "http.status=400"];
    for told in told.into_iter().chain(["duration_ms="]) {
        assert!(log.contains(told), "the log tells {told}: {log}");
    }
    for kept in [KEY_SECRET, "r-private", "n-private", "Basic "] {
        assert!(!log.contains(kept), "the log keeps {kept} to itself: {log}");
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
