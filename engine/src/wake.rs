//! Wake-ups between processes: NOTIFY as a hint, polling as the truth. A lost hint costs a poll.
//!
//! A NOTIFY takes a lock of the whole database until its transaction is durable. So a hint has a
//! tiny transaction of its own that does not wait for the disk, at most one a millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

/// The channel on which a cell's due runs are announced.
pub(crate) fn channel(cell: &str) -> String {
    format!("makegood_due_{cell}")
}

/// The channel on which the ids of runs that have ended are announced.
pub(crate) fn ends_channel(cell: &str) -> String {
    format!("makegood_ended_{cell}")
}

/// What a client says on the channel of due runs when it waits for an end.
const WANT_ENDS: &str = "ends";

/// How long a worker announces ends after a client said that it waits for one.
const ENDS_WANTED: Duration = Duration::from_secs(10);

/// Ids in one announcement: its text may have up to 8,000 bytes.
const ENDS_AT_ONCE: usize = 200;

/// Wakes the parts of this worker that look into the database.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bells {
    /// A run may be due.
    pub(crate) due: Arc<Notify>,
    /// There may be mail to deliver.
    pub(crate) post: Arc<Notify>,
    /// Runs have ended.
    pub(crate) ends: Arc<Ends>,
}

/// Runs that have ended, to be announced while somebody waits.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    wanted_until: Mutex<Option<Instant>>,
    run_ids: Mutex<Vec<Uuid>>,
    ring: Notify,
}

impl Ends {
    fn want(&self) {
        *self.wanted_until.lock() = Instant::now().checked_add(ENDS_WANTED);
    }

    /// Announces an end soon, if anybody waits for one.
    pub(crate) fn add(&self, run_id: Uuid) {
        if self.wanted_until.lock().is_some_and(|until| Instant::now() < until) {
            self.run_ids.lock().push(run_id);
            self.ring.notify_one();
        }
    }
}

/// Sends hints that a run may be due.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    wanted: Arc<Notify>,
    ends_wanted: Arc<AtomicBool>,
    /// Ends the sender with its last clone.
    _alive: Arc<watch::Sender<()>>,
}

impl Hints {
    /// Starts the sender on a pool of its own.
    pub(crate) fn start(pool: PgPool, cell: &str) -> Self {
        let (wanted, ends_wanted) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (alive, gone) = watch::channel(());
        let asked = (Arc::clone(&wanted), Arc::clone(&ends_wanted));
        tokio::spawn(send(pool, channel(cell), asked, gone));
        Self { wanted, ends_wanted, _alive: Arc::new(alive) }
    }

    /// Hints once, soon; several hints within a millisecond are one.
    pub(crate) fn hint(&self) {
        self.wanted.notify_one();
    }

    /// Hints that somebody waits for the end of a run.
    pub(crate) fn want_ends(&self) {
        self.ends_wanted.store(true, Ordering::Relaxed);
        self.hint();
    }
}

async fn send(
    pool: PgPool,
    channel: String,
    (wanted, ends_wanted): (Arc<Notify>, Arc<AtomicBool>),
    mut gone: watch::Receiver<()>,
) {
    loop {
        tokio::select! {
            () = wanted.notified() => {}
            _ = gone.changed() => return,
        }
        let text = if ends_wanted.swap(false, Ordering::Relaxed) { WANT_ENDS } else { "" };
        let sent = notify(&pool, &channel, text).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a hint was not sent; the workers will find the run by polling");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn notify(pool: &PgPool, channel: &str, text: &str) -> Result<(), sqlx::Error> {
    let notify = sqlx::query("select pg_notify($1, $2)").bind(channel).bind(text);
    notify.execute(pool).await.map(|_| ())
}

/// Announces ends until the worker is over, at most once a millisecond.
pub(crate) async fn announce_ends(
    pool: PgPool,
    channel: String,
    ends: Arc<Ends>,
    mut over: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = ends.ring.notified() => {}
            _ = over.wait_for(|over| *over) => return,
        }
        let run_ids = std::mem::take(&mut *ends.run_ids.lock());
        for some in run_ids.chunks(ENDS_AT_ONCE) {
            let text: String = some.iter().map(|id| id.simple().to_string()).collect();
            if let Err(error) = notify(&pool, &channel, &text).await {
                tracing::debug!(%error, "ends were not announced; who waits will look");
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Hears which runs have ended until nobody is there to be told, reconnecting for ever.
pub(crate) async fn listen_for_ends(
    pool: PgPool,
    channel: String,
    hinted: mpsc::UnboundedSender<Vec<Uuid>>,
) {
    let hear = async || -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(&channel).await?;
        loop {
            let Some(said) = listener.try_recv().await? else { continue };
            let ids = said.payload().as_bytes().chunks(32);
            let ids = ids.filter_map(|id| Uuid::try_parse_ascii(id).ok()).collect();
            if hinted.send(ids).is_err() {
                return Ok(());
            }
        }
    };
    while !hinted.is_closed() {
        tokio::select! {
            heard = hear() => if let Err(error) = heard {
                tracing::debug!(%error, "not listening for ends; looking goes on");
                tokio::time::sleep(Duration::from_millis(250)).await;
            },
            () = hinted.closed() => return,
        }
    }
}

/// Listens for hints until the worker is over, reconnecting for ever.
pub(crate) async fn listen(
    pool: PgPool,
    channel: String,
    bells: Bells,
    mut over: watch::Receiver<bool>,
) {
    loop {
        let listening = hear(&pool, &channel, &bells);
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

async fn hear(pool: &PgPool, channel: &str, bells: &Bells) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        // `None` is a reconnect: hints may have been missed.
        let said = listener.try_recv().await?;
        if said.is_some_and(|said| said.payload() == WANT_ENDS) {
            bells.ends.want();
        }
        bells.due.notify_one();
    }
}
