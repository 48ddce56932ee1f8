//! Carries bulk actions out, in this process, until the server stops; and takes up those that nobody
//! carries out. Which process does is settled by a claim in the database.

use std::collections::HashMap;
use std::time::Duration;

use domain::Rank;
use makegood::bulk::{Go, Guard, Progress};
use makegood::inspect;
use sqlx::PgConnection;
use store::operators;
use tokio::select;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;
use uuid::Uuid;

use super::{KEEPER, kind_of};
use crate::app::Shared;
use crate::console::act::rank_of;
use crate::console::record::Record;

/// Between two looks for bulk actions that nobody carries out.
const LOOK: Duration = Duration::from_secs(5);
/// Who stops what its owner may not do any more.
const STOPPER: &str = "the console";

/// Where a handler says that a bulk action was begun.
#[derive(Clone)]
pub(crate) struct Bulks(UnboundedSender<Uuid>);

impl Bulks {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Uuid>) {
        let (begun, asked) = unbounded_channel();
        (Self(begun), asked)
    }

    /// Has it carried out. If nobody hears it any more, another process finds it.
    pub(crate) fn begin(&self, bulk_id: Uuid) {
        let _ = self.0.send(bulk_id);
    }

    /// Carries out what is begun, until the server stops.
    pub(crate) async fn run(app: Shared, mut begun: UnboundedReceiver<Uuid>) {
        let (mut running, mut known) = (JoinSet::new(), HashMap::new());
        let mut look = interval(LOOK);
        let stopped = app.stopped();
        tokio::pin!(stopped);
        loop {
            let found = select! {
                () = &mut stopped => break,
                Some(bulk_id) = begun.recv() => vec![bulk_id],
                Some(ended) = running.join_next_with_id() => {
                    // One that panicked is free to be taken up again, too.
                    let task = ended.map_or_else(|ended| ended.id(), |(task, ())| task);
                    known.remove(&task);
                    continue;
                }
                _ = look.tick() => abandoned(&app).await,
            };
            for bulk_id in found {
                if !known.values().any(|known| *known == bulk_id) {
                    let task = running.spawn(carry_out(Shared::clone(&app), bulk_id));
                    known.insert(task.id(), bulk_id);
                }
            }
        }
        while running.join_next().await.is_some() {}
    }
}

async fn abandoned(app: &Shared) -> Vec<Uuid> {
    let found = async {
        let mut conn = app.pool.acquire().await?;
        inspect::abandoned_bulks(&mut conn, KEEPER).await
    };
    found.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "no look for bulk actions that nobody carries out");
        Vec::new()
    })
}

/// Goes on until none of its runs is left, it is stopped, or the server stops. Whatever fails is
/// found again by a later look.
async fn carry_out(app: Shared, bulk_id: Uuid) {
    match drive(&app, bulk_id).await {
        Ok(progress) => tracing::info!(bulk.id = %bulk_id, ?progress, "a bulk action rests"),
        Err(error) => tracing::warn!(bulk.id = %bulk_id, %error, "a bulk action was interrupted"),
    }
}

async fn drive(app: &Shared, bulk_id: Uuid) -> Result<Progress, makegood::Error> {
    let mut conn = app.pool.acquire().await?;
    let bulk = inspect::bulk(&mut conn, bulk_id).await?;
    drop(conn);
    let bulk = bulk.ok_or(makegood::Error::BulkNotFound(bulk_id))?;
    // A verb that nobody knows is nobody's to use.
    let wanted = kind_of(&bulk.verb).map_or(Rank::Admin, rank_of);
    let stopping = app.stopping.clone();
    let mut warrant = Warrant { bulk_id, owner: bulk.actor, wanted, stopping };
    app.client.bulk_run_guarded(bulk_id, &mut warrant).await
}

/// What a bulk action needs to go on: a server that runs, and an owner who may.
struct Warrant {
    bulk_id: Uuid,
    owner: String,
    wanted: Rank,
    stopping: watch::Receiver<bool>,
}

impl Guard for Warrant {
    async fn before(
        &mut self,
        conn: &mut PgConnection,
        now: &Progress,
    ) -> Result<Go, makegood::Error> {
        if now.left() == 0 {
            return Ok(Go::On);
        }
        if *self.stopping.borrow() {
            return Ok(Go::Rest);
        }
        let Self { bulk_id, owner, wanted, .. } = self;
        let reason = match operators::hold_rank(&mut *conn, owner).await {
            Ok(Some(rank)) if rank >= *wanted => return Ok(Go::On),
            Ok(Some(rank)) => format!("{owner} is {rank} by now; this needs {wanted}"),
            Ok(None) => format!("{owner} may not sign in any more"),
            Err(error) => return Err(unread(error)),
        };
        tracing::warn!(bulk.id = %bulk_id, reason, "a bulk action is stopped");
        let record = Record::of(STOPPER, "stop_bulk", &bulk_id.to_string()).because(&reason);
        record.write(conn).await.map_err(unread)?;
        Ok(Go::Stop { actor: STOPPER.to_owned(), reason })
    }
}

fn unread(error: store::Error) -> makegood::Error {
    match error {
        store::Error::Database(error) => error.into(),
        error => sqlx::Error::Decode(Box::new(error)).into(),
    }
}
