//! The one who looks for all live pages of a process: a query of constant cost a few times a
//! second, while anybody follows, and a closer look only after something was written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use makegood::inspect::{self, Marks};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use super::places::{Place, Places};
use crate::app::{App, Shared};
use crate::console::page::Here;
use crate::error::ApiResult;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(700);
/// Between two words to pages that show many runs, whoever's they are: that is what all of them
/// together may cost.
const TURN: Duration = Duration::from_millis(100);

/// What the last look has seen.
#[derive(Debug, Default)]
pub(crate) struct News {
    marks: Marks,
    /// The newest of the console's own actions.
    acted: Option<Uuid>,
    pulses: HashMap<Uuid, Option<String>>,
    tide: String,
}

impl News {
    /// What a page is made from.
    pub(super) fn of(&self, here: Here) -> String {
        Self::mark(&self.marks, self.acted, here)
    }

    /// What a run's page is made from: `None` when there is no such run, and `Some(None)` when it
    /// was not looked at yet.
    #[expect(clippy::option_option, reason = "not looked at is not the same as not there")]
    pub(super) fn of_run(&self, run_id: Uuid) -> Option<Option<String>> {
        match self.pulses.get(&run_id) {
            None => Some(None),
            Some(pulse) => pulse.clone().map(Some),
        }
    }

    /// The mark of what a page shows, short enough for its address.
    pub(super) fn mark(marks: &Marks, acted: Option<Uuid>, here: Here) -> String {
        let own = acted.map(|action_id| action_id.to_string()).unwrap_or_default();
        let parts: Vec<&str> = match here {
            Here::Overview => vec![&marks.runs, &marks.incidents, &marks.workers, &marks.settings],
            Here::Runs => vec![&marks.runs],
            Here::Incidents => vec![&marks.incidents],
            Here::Workers => vec![&marks.workers, &marks.leases, &marks.runs],
            Here::Queues | Here::Schedules => vec![&marks.settings, &marks.runs],
            Here::Bulk => vec![&marks.bulks, &marks.runs],
            Here::Audit => vec![&marks.acts, &own],
            Here::Account => vec![],
        };
        short(&parts.join("\n"))
    }
}

/// A mark that fits into an address.
pub(super) fn short(mark: &str) -> String {
    let hash = Sha256::digest(mark.as_bytes());
    hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// The watcher's end that pages hold on to.
pub(crate) struct Watch {
    places: Arc<Places>,
    news: watch::Sender<Option<Arc<News>>>,
    turns: Mutex<Interval>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { places: Arc::default(), news: watch::Sender::new(None), turns: Mutex::new(turns) }
    }

    /// A place for a page of this operator, which may be that of a run; none when all are taken.
    pub(super) fn take_place(&self, name: &str, run_id: Option<Uuid>) -> Option<Place> {
        self.places.take(name, run_id, self.news.subscribe())
    }

    /// Waits for one's turn to have a page drawn again: first come, first served.
    pub(super) async fn turn(&self) {
        self.turns.lock().await.tick().await;
    }

    /// Looks for everybody until the server stops.
    pub(crate) async fn run(app: Shared) {
        let stopped = app.stopped();
        tokio::pin!(stopped);
        let watch = &app.watch;
        loop {
            if watch.places.is_empty() {
                watch.news.send_replace(None);
                tokio::select! {
                    () = watch.places.begun.notified() => continue,
                    () = &mut stopped => return,
                }
            }
            let before = watch.news.borrow().clone().unwrap_or_default();
            let (shared, runs) = (Shared::clone(&app), watch.places.runs());
            let looked = app.finish(async move { look(&shared, before, runs).await }).await;
            watch.news.send_replace(looked.map_or_else(
                |error| {
                    tracing::warn!(error = ?error, "live pages are not told of anything now");
                    None
                },
                Some,
            ));
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = &mut stopped => return,
            }
        }
    }
}

async fn look(app: &App, before: Arc<News>, runs: Vec<Uuid>) -> ApiResult<Arc<News>> {
    let mut conn = app.pool.acquire().await?;
    let tide = inspect::tide(&mut conn).await?;
    if tide == before.tide && runs.iter().all(|run| before.pulses.contains_key(run)) {
        return Ok(before);
    }
    let mut pulses: HashMap<_, _> = runs.iter().map(|run| (*run, None)).collect();
    if !runs.is_empty() {
        let found = inspect::pulses(&mut conn, &runs).await?;
        pulses.extend(found.into_iter().map(|(run, pulse)| (run, Some(short(&pulse)))));
    }
    let acted = store::console_actions::newest(&mut conn).await?;
    let marks = inspect::marks(&mut conn).await?;
    Ok(Arc::new(News { marks, acted, pulses, tide }))
}
