//! One round of claims: what is due, in whose turn, and within which limits.
//!
//! Lanes without limits are claimed by one statement. A queue with limits is claimed by a
//! transaction that locks the queue's row, so that two workers cannot both take the last place.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Error;
use uuid::Uuid;

use super::{Claimer, Place, Room};
use crate::error::{outcome_unknown, too_much};
use crate::fault;
use crate::reach::{Begin, Lane, Source};
use crate::store::lanes::{self, Look};
use crate::store::queues::{self, Allowance};
use crate::store::tasks::{self, ClaimedRow, Reading};
use crate::write;

/// What a round came to.
pub(super) enum Round {
    /// Runs were claimed, and there are more.
    More,
    /// What was due was claimed.
    All,
    /// Nothing was claimed. The next run is due after this pause; `None` when none is known, or
    /// one is due that is locked, or beyond a limit.
    Nothing(Option<Duration>),
}

/// Whether something is likely to be due, so that a claim may come before a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eager {
    Yes,
    No,
}

/// What was claimed from some lanes.
struct Taken {
    count: usize,
    more: bool,
}

impl Claimer {
    /// Claims what there is room for.
    pub(super) async fn round(&mut self, mut room: Room, eager: Eager) -> Result<Round, Error> {
        let Some(incarnation) = self.engine.lease.current() else {
            return Ok(Round::Nothing(None));
        };
        self.reach.next_round();
        if eager == Eager::Yes && self.reach.is_plain(self.engine.config.poll_cap) {
            let source = Source { queue: None, lanes: self.reach.lanes() };
            let taken = self.claim(incarnation, &source, &mut room).await?;
            if taken.count > 0 {
                return Ok(if taken.more { Round::More } else { Round::All });
            }
        }
        let look = self.look().await?;
        let mut classes = self.reach.due(&look.due).into_iter().peekable();
        while let Some(class) = classes.next() {
            let mut claimed = Taken { count: 0, more: classes.peek().is_some() };
            for source in &class {
                if room.places() == 0 {
                    claimed.more = true;
                    break;
                }
                let taken = self.claim(incarnation, source, &mut room).await?;
                claimed.count = claimed.count.saturating_add(taken.count);
                claimed.more |= taken.more;
            }
            if claimed.count > 0 {
                return Ok(if claimed.more { Round::More } else { Round::All });
            }
            // Locked by somebody, or beyond their limits: they must not hold up what comes after.
        }
        let due_in = look.due_in_ms.filter(|ms| *ms > 0);
        Ok(Round::Nothing(due_in.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis)))
    }

    /// Looks at the queue; when there is news of lanes or queues, learns it and looks again.
    async fn look(&mut self) -> Result<Look, Error> {
        let look = self.look_once().await?;
        if self.reach.knows(&look) {
            return Ok(look);
        }
        let rows = lanes::all(&self.pool).await?;
        let engine = &self.engine;
        self.reach.learn(rows, &look, (&engine.registry, &engine.config.queues));
        // What changed between the two is found by the next look.
        self.look_once().await
    }

    async fn look_once(&mut self) -> Result<Look, Error> {
        let lanes = self.reach.lanes();
        let look = lanes::look(&self.pool, &self.reach.columns(&lanes, Begin::May)).await?;
        self.reach.looked();
        Ok(look)
    }

    /// Claims from some lanes and adopts what it got.
    async fn claim(
        &mut self,
        incarnation: Uuid,
        source: &Source,
        room: &mut Room,
    ) -> Result<Taken, Error> {
        let places = room.places();
        let limit = i64::try_from(places).unwrap_or(i64::MAX);
        let lease = Arc::clone(&self.engine.lease);
        let begun = lease.watchdog().begin("a claim");
        let claimed = match &source.queue {
            None => {
                let columns = self.reach.columns(&source.lanes, Begin::May);
                tasks::claim(&self.pool, incarnation, &columns, limit, self.reading).await
            }
            Some(queue) => self.claim_limited(incarnation, queue, &source.lanes, limit).await,
        };
        drop(begun);
        let rows = match claimed {
            Ok(rows) => {
                self.reading = Reading::Together;
                rows
            }
            Err(error) => {
                if too_much(&error) {
                    // One of the runs has a record beyond all measure. Read by itself, it shows.
                    self.reading = Reading::Apart;
                }
                if error.as_database_error().is_none() || outcome_unknown(&error) {
                    // It may have claimed runs that nobody here knows of, or cannot read.
                    self.engine.lease.lose(incarnation);
                }
                return Err(error);
            }
        };
        let count = rows.len();
        if count > 0 {
            fault::point("after a claim", "");
            metrics::counter!("makegood_runs_claimed_total")
                .increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
        let more = count == places || rows.iter().any(|row| row.more);
        let last = rows.iter().map(|row| row.turn).max().unwrap_or_default();
        self.reach.served(&source.lanes, usize::try_from(last).unwrap_or_default());
        let crowded = source.queue.is_some() && source.lanes.iter().any(|lane| lane.crowded);
        for row in rows {
            let freed = crowded.then(|| Arc::clone(&self.due));
            let place = room.take().map(|permit| Place { _permit: permit, freed });
            let code = self.engine.registry.code_of(&row.workflow);
            let lane = usize::try_from(row.turn - 1).ok().and_then(|at| source.lanes.get(at));
            let options = lane.map(|lane| Arc::clone(&lane.options)).unwrap_or_default();
            if let (Some(place), Some(code)) = (place, code) {
                self.adopt(row, incarnation, code, options, place).await;
            } else {
                self.engine.lease.lose(incarnation);
            }
        }
        Ok(Taken { count, more })
    }

    /// Claims from a queue with limits, under its lock.
    async fn claim_limited(
        &self,
        incarnation: Uuid,
        queue: &str,
        lanes: &[Arc<Lane>],
        room: i64,
    ) -> Result<Vec<ClaimedRow>, Error> {
        let mut tx = self.pool.begin().await?;
        if !queues::lock(&mut tx, queue).await? {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        let Allowance { places, starts } = queues::allowance(&mut tx, queue).await?;
        let places = room.min(places.unwrap_or(room));
        // A rate is for the runs that begin. Those that go on are claimed apart from them.
        let shares = match starts {
            None => vec![(Begin::May, places)],
            Some(starts) => self.reach.in_turn([(Begin::Only, starts), (Begin::MayNot, places)]),
        };
        let mut rows = Vec::new();
        for (begin, most) in shares {
            let limit = most.min(places.saturating_sub(number(&rows)));
            if limit > 0 {
                let columns = self.reach.columns(lanes, begin);
                rows.extend(
                    tasks::claim(&mut *tx, incarnation, &columns, limit, self.reading).await?,
                );
            }
        }
        if rows.is_empty() {
            tx.rollback().await?;
            return Ok(rows);
        }
        let begun: Vec<_> = rows.iter().filter(|row| row.epoch == 1).collect();
        if starts.is_some() && !begun.is_empty() {
            queues::charge(&mut tx, queue, number(&begun)).await?;
        }
        write::commit(tx).await?;
        Ok(rows)
    }
}

fn number<T>(of: &[T]) -> i64 {
    i64::try_from(of.len()).unwrap_or(i64::MAX)
}
