//! Retention: what ended long ago moves into the archive, and out of it. Live runs never notice.
//!
//! Every worker has a janitor; the row of the chore, locked, lets one work at a time. A batch is one
//! transaction, so that a crash leaves each run either here or there. It reads and locks no row of
//! the queue.

mod page;

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use uuid::Uuid;

use self::page::Page;
use crate::error::refused;
use crate::lease::Lease;
use crate::store::archive;
use crate::store::bulk;
use crate::store::chores::{self, Chore};
use crate::store::workers;

const CHORE: &str = "retention";

/// Runs that are looked at for each that may be archived at once.
const LOOK_AHEAD: usize = 10;

/// The longest pause between two looks at the chore.
const LONGEST: Duration = Duration::from_mins(1);

/// How long what has ended is kept, and where. The same for all workers of a cell: a batch follows
/// the settings of whoever makes it.
///
/// An archived run is read, and its workflow id is taken, as before. A deleted one was never there;
/// only what operators did to it is kept.
///
/// ```
/// use std::time::Duration;
/// use makegood::{Retention, WorkerConfig};
///
/// let retention = Retention {
///     archive_after: Some(Duration::from_hours(24)),
///     delete_after: Some(Duration::from_hours(24 * 365)),
///     ..Retention::default()
/// };
/// let config = WorkerConfig { retention, ..WorkerConfig::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How long an ended run stays where live runs are; 7 days unless said otherwise, `None` for
    /// as long as it is kept.
    pub archive_after: Option<Duration>,
    /// How long after its end a run, or a bulk action, is deleted; `None`, as it is unless said
    /// otherwise, for never.
    pub delete_after: Option<Duration>,
    /// Runs moved in one transaction; 1 to 10,000, 500 unless said otherwise.
    pub batch: usize,
    /// The pause between two such transactions; 200 ms unless said otherwise.
    pub pause: Duration,
    /// The pause when everything was looked at; a minute unless said otherwise.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            archive_after: Some(Duration::from_hours(7 * 24)),
            delete_after: None,
            batch: 500,
            pause: Duration::from_millis(200),
            every: Duration::from_mins(1),
        }
    }
}

impl Retention {
    /// Whatever is deleted has passed through the archive.
    fn archives_after(&self) -> Option<Duration> {
        match (self.archive_after, self.delete_after) {
            (Some(archive), Some(delete)) => Some(archive.min(delete)),
            (archive, delete) => archive.or(delete),
        }
    }
}

/// Moves what has ended.
pub(crate) struct Janitor {
    pub(crate) pool: PgPool,
    pub(crate) lease: Arc<Lease>,
    pub(crate) retention: Retention,
}

/// What came of a batch.
enum Batch {
    /// Another worker is at it, or this one may not write now.
    NotOurs,
    /// It was committed.
    Done,
    /// The database refuses one of these runs, or all of them at once.
    Refused { runs: Vec<Uuid>, error: sqlx::Error },
}

impl Janitor {
    /// Works until the worker ends. Ends only between two batches, so that none of its
    /// transactions is dropped half-way.
    pub(crate) async fn work(self, mut over: watch::Receiver<bool>) {
        let most = self.retention.batch.clamp(1, 10_000);
        let mut batch = most;
        loop {
            let pause = match self.look(&mut batch).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "nothing could be archived; trying again");
                    Duration::from_secs(10)
                }
            };
            batch = batch.min(most);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = over.wait_for(|over| *over) => return,
            }
        }
    }

    /// Makes a batch if the chore is due, and says how long to pause. A batch that is refused is
    /// made smaller, until the run is found that cannot be archived; that one stays.
    async fn look(&self, batch: &mut usize) -> Result<Duration, sqlx::Error> {
        let due_in = u64::try_from(chores::due_in_ms(&self.pool, CHORE).await?).unwrap_or(0);
        if due_in > 0 {
            return Ok(Duration::from_millis(due_in).min(LONGEST));
        }
        match self.batch(*batch).await? {
            Batch::NotOurs => return Ok(self.retention.pause.max(Duration::from_millis(200))),
            Batch::Done => *batch = batch.saturating_mul(2),
            Batch::Refused { runs, error } => match runs.as_slice() {
                // Not even for one: the disk is full, and no run is at fault.
                [_] if no_room(&error) => return Err(error),
                [run_id] => {
                    tracing::error!(run.id = %run_id, %error, "a run cannot be archived; it stays");
                    metrics::counter!("makegood_runs_not_archived_total").increment(1);
                    self.step_over(*run_id).await?;
                }
                several => *batch = (several.len() / 8).max(1),
            },
        }
        Ok(Duration::ZERO)
    }

    async fn batch(&self, limit: usize) -> Result<Batch, sqlx::Error> {
        let Some(incarnation) = self.lease.current() else { return Ok(Batch::NotOurs) };
        let mut tx = self.pool.begin().await?;
        let fenced = workers::fence(&mut tx, incarnation).await?;
        let chore = if fenced { chores::lock(&mut tx, CHORE).await? } else { None };
        let Some(chore) = chore else {
            tx.rollback().await?;
            return Ok(Batch::NotOurs);
        };
        let Page { ripe, cursor } = self.page(&mut tx, &chore, limit).await?;
        let archived = match archive(&mut tx, &ripe, &chore).await {
            Ok(archived) => archived,
            Err(error) if refused(&error) || no_room(&error) || broken(&error) => {
                tx.rollback().await?;
                return Ok(Batch::Refused { runs: ripe, error });
            }
            Err(error) => return Err(error),
        };
        let deleted = self.delete(&mut tx, &chore).await?;
        let all = cursor.is_none() && deleted < number(self.retention.batch);
        let pause = if all { self.retention.every } else { self.retention.pause };
        chores::advance(&mut tx, CHORE, cursor.unwrap_or_default(), pause).await?;
        // Should the commit's answer be lost, the next batch shows whether it happened.
        tx.commit().await?;
        metrics::counter!("makegood_runs_archived_total").increment(archived);
        metrics::counter!("makegood_runs_deleted_total").increment(deleted);
        if all {
            workers::forget_old(&self.pool).await?;
        }
        Ok(Batch::Done)
    }

    async fn page(
        &self,
        conn: &mut PgConnection,
        chore: &Chore,
        limit: usize,
    ) -> Result<Page, sqlx::Error> {
        let Some(after) = self.retention.archives_after() else { return Ok(Page::default()) };
        let size = limit.saturating_mul(LOOK_AHEAD);
        let ended_before = archive::before(chore.now, after);
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let seen = archive::look(conn, chore.cursor, size, ended_before).await?;
        Ok(Page::of(&seen, limit, size))
    }

    async fn delete(&self, conn: &mut PgConnection, chore: &Chore) -> Result<u64, sqlx::Error> {
        let Some(after) = self.retention.delete_after else { return Ok(0) };
        let ended_before = archive::before(chore.now, after);
        // Each has a row for each of its runs; what it did to a run is kept with the run.
        bulk::delete_oldest(&mut *conn, ended_before).await?;
        let limit = i64::try_from(self.retention.batch).unwrap_or(i64::MAX);
        let expired = archive::lock_expired(&mut *conn, ended_before, limit).await?;
        if expired.is_empty() {
            return Ok(0);
        }
        archive::keep_actions(&mut *conn, &expired, chore.now).await?;
        archive::delete(conn, &expired).await
    }

    /// Leaves a run where it is, and goes on behind it.
    async fn step_over(&self, run_id: Uuid) -> Result<(), sqlx::Error> {
        let Some(incarnation) = self.lease.current() else { return Ok(()) };
        let mut tx = self.pool.begin().await?;
        let fenced = workers::fence(&mut tx, incarnation).await?;
        if fenced && chores::lock(&mut tx, CHORE).await?.is_some() {
            chores::advance(&mut tx, CHORE, run_id, Duration::ZERO).await?;
        }
        tx.commit().await
    }
}

async fn archive(
    conn: &mut PgConnection,
    ripe: &[Uuid],
    chore: &Chore,
) -> Result<u64, sqlx::Error> {
    if ripe.is_empty() {
        return Ok(0);
    }
    // The copy is read by a statement younger than the locks, so nothing that came late is missed.
    let locked = archive::lock(&mut *conn, ripe).await?;
    let archived = archive::insert(&mut *conn, &locked, chore.now).await?;
    archive::clear(conn, &locked).await?;
    Ok(archived)
}

/// Whether the server has no room for so much at once: class 53, its disk and its memory.
fn no_room(error: &sqlx::Error) -> bool {
    is_of(error, "53")
}

/// Whether the server breaks at it: class XX, also some of its own limits.
fn broken(error: &sqlx::Error) -> bool {
    is_of(error, "XX")
}

fn is_of(error: &sqlx::Error, class: &str) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with(class))
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_passes_through_the_archive() {
        let day = Duration::from_hours(24);
        let of = |archive_after, delete_after| {
            Retention { archive_after, delete_after, ..Retention::default() }.archives_after()
        };
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some(day), None), Some(day));
        assert_eq!(of(None, Some(day)), Some(day));
        assert_eq!(of(Some(day * 2), Some(day)), Some(day));
    }
}
