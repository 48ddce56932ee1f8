//! Wake-ups between processes: NOTIFY as a hint, polling as the truth. A lost hint costs a poll.
//!
//! A NOTIFY takes a lock of the whole database until its transaction is durable. So a hint has a
//! tiny transaction of its own that does not wait for the disk, at most one a millisecond.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};

/// The channel on which a cell's due runs are announced.
pub(crate) fn channel(cell: &str) -> String {
    format!("makegood_due_{cell}")
}

/// Wakes the parts of this worker that look into the database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bells {
    /// A run may be due.
    pub(crate) due: Arc<Notify>,
    /// There may be mail to deliver.
    pub(crate) post: Arc<Notify>,
}

/// Sends hints that a run may be due.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    wanted: Arc<Notify>,
    /// Ends the sender with its last clone.
    _alive: Arc<watch::Sender<()>>,
}

impl Hints {
    /// Starts the sender on a pool of its own.
    pub(crate) fn start(pool: PgPool, cell: &str) -> Self {
        let wanted = Arc::new(Notify::new());
        let (alive, gone) = watch::channel(());
        tokio::spawn(send(pool, channel(cell), Arc::clone(&wanted), gone));
        Self { wanted, _alive: Arc::new(alive) }
    }

    /// Hints once, soon; several hints within a millisecond are one.
    pub(crate) fn hint(&self) {
        self.wanted.notify_one();
    }
}

async fn send(pool: PgPool, channel: String, wanted: Arc<Notify>, mut gone: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = wanted.notified() => {}
            _ = gone.changed() => return,
        }
        let sent = sqlx::query("select pg_notify($1, '')").bind(&channel).execute(&pool).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a hint was not sent; the workers will find the run by polling");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Listens for hints until the worker is over, reconnecting for ever.
pub(crate) async fn listen(
    pool: PgPool,
    channel: String,
    due: Arc<Notify>,
    mut over: watch::Receiver<bool>,
) {
    loop {
        let listening = hear(&pool, &channel, &due);
        tokio::select! {
            ended = listening => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "not listening; polling goes on");
                }
            }
            _ = over.wait_for(|over| *over) => return,
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn hear(pool: &PgPool, channel: &str, due: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        // `None` is a reconnect: hints may have been missed.
        listener.try_recv().await?;
        due.notify_one();
    }
}
