//! Carries bulk actions out, in this process, until the server stops; and goes on with those whose
//! process is gone.

use std::collections::HashSet;
use std::time::Duration;

use makegood::inspect;
use tokio::select;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::interval;
use uuid::Uuid;

use super::KEEPER;
use crate::app::Shared;

/// Between two looks for bulk actions that nobody carries out.
const LOOK: Duration = Duration::from_secs(5);
/// The slowest does one run a second: after so long without one, its process is gone.
const SILENT_SECS: i32 = 30;

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
        let (mut running, mut known) = (JoinSet::new(), HashSet::new());
        let mut look = interval(LOOK);
        let stopped = app.stopped();
        tokio::pin!(stopped);
        loop {
            let found = select! {
                () = &mut stopped => break,
                Some(bulk_id) = begun.recv() => vec![bulk_id],
                Some(ended) = running.join_next() => {
                    if let Ok(bulk_id) = ended {
                        known.remove(&bulk_id);
                    }
                    continue;
                }
                _ = look.tick() => abandoned(&app).await,
            };
            for bulk_id in found {
                if known.insert(bulk_id) {
                    running.spawn(carry_out(Shared::clone(&app), bulk_id));
                }
            }
        }
        while running.join_next().await.is_some() {}
    }
}

async fn abandoned(app: &Shared) -> Vec<Uuid> {
    let found = async {
        let mut conn = app.pool.acquire().await?;
        inspect::abandoned_bulks(&mut conn, KEEPER, SILENT_SECS).await
    };
    found.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "no look for bulk actions that nobody carries out");
        Vec::new()
    })
}

/// Goes on until none of its runs is left, it is stopped, or the server stops. Whatever fails is
/// found again by a later look.
async fn carry_out(app: Shared, bulk_id: Uuid) -> Uuid {
    let stopping = app.stopping.clone();
    match app.client.bulk_run_while(bulk_id, |_| !*stopping.borrow()).await {
        Ok(progress) => tracing::info!(bulk.id = %bulk_id, ?progress, "a bulk action rests"),
        Err(error) => tracing::warn!(bulk.id = %bulk_id, %error, "a bulk action was interrupted"),
    }
    bulk_id
}
