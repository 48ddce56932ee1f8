//! A database host that vanishes: connections on which nobody ever answers, beside others that do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use makegood::{Database, Error, Worker};
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{TestCell, forgetful};
use crate::trades::{Plan, Steps4, registry, world};

/// The way to the server. The connections of one name can be cut so that neither side learns it.
struct Wire {
    database: Database,
    cut: watch::Sender<bool>,
}

impl Wire {
    async fn new(cell: &TestCell, name: &'static str) -> Self {
        let options: PgConnectOptions = cell.url.parse().unwrap();
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = cell.url.replacen(&server, &listener.local_addr().unwrap().to_string(), 1);
        assert_ne!(url, cell.url, "the server's address has a port");
        let database = Database::new(&url, cell.database.cell()).unwrap();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&server).await.unwrap();
                let ((near_read, near_write), (far_read, far_write)) =
                    (near.into_split(), far.into_split());
                let named = Arc::new(AtomicBool::new(false));
                let there = Carrier { name, named: Arc::clone(&named), cut: is_cut.clone() };
                let back = Carrier { name, named, cut: is_cut.clone() };
                tokio::spawn(there.carry(near_read, far_write));
                tokio::spawn(back.carry(far_read, near_write));
            }
        });
        Self { database, cut }
    }
}

/// One direction of a connection.
struct Carrier {
    name: &'static str,
    /// Its startup said the name.
    named: Arc<AtomicBool>,
    cut: watch::Receiver<bool>,
}

impl Carrier {
    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let said = &bytes[..count];
            if said.windows(self.name.len()).any(|part| part == self.name.as_bytes()) {
                self.named.store(true, Ordering::SeqCst);
            }
            if *self.cut.borrow() && self.named.load(Ordering::SeqCst) {
                // Both ends stay open.
                return std::future::pending().await;
            }
            if to.write_all(said).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_worker_whose_commits_are_never_answered_gives_its_runs_back_and_says_that_it_failed() {
    let cell = TestCell::new().await;
    let wire = Wire::new(&cell, "makegood-commits").await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book one");
    let hopeless = Worker::start(&wire.database, registry(), forgetful()).await.unwrap();
    let run = cell.start::<Steps4>("s1", &plan).await;
    world().until_met(&plan, "book one", 1).await;
    let failed = hopeless.failed();
    assert!(timeout(Duration::from_secs(1), hopeless.failed()).await.is_err(), "all is well");
    wire.cut.send(true).unwrap();
    gate.add_permits(100);
    let why = timeout(Duration::from_secs(40), failed).await.expect("it notices");
    assert!(why.to_string().contains("not answered a flush"), "{why}");
    assert!(!hopeless.is_ready(), "it claims nothing any more");
    let drained = timeout(Duration::from_secs(10), hopeless.drain()).await;
    let drained = drained.expect("it waits for no answer");
    assert!(matches!(drained, Err(Error::Unfit(_))), "whoever runs it is told: {drained:?}");
    let crashes = format!("select crashes from tasks where run_id = '{run}' and owner is null");
    assert_eq!(cell.scalar::<i32>(&crashes).await, 0, "its runs are free, and not to blame");
    let next = cell.worker_with(registry(), forgetful()).await;
    assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4), "the next one drives them on");
    assert_eq!(world().times(&plan, "book one"), 1, "and finds what was booked");
    next.drain().await.unwrap();
    cell.audited().await;
}
