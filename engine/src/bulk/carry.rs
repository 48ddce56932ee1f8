//! The client's half: begins, carries out, stops. Of several processes one carries out, the others
//! look on and take over when it falls silent.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::sleep;
use uuid::Uuid;

use super::drive::{Drive, LEASE_SECS};
use super::guard::Telling;
use super::{Go, Guard, Progress};
use crate::client::Client;
use crate::error::Error;
use crate::inspect;
use crate::run::Signature;
use crate::store::bulk::{self, Claim, Tally};

/// Between two looks at a bulk action that another process carries out.
const DRIVEN: Duration = Duration::from_millis(250);

impl Client {
    /// Carries a frozen bulk action out, or goes on with one whose process died, and tells before
    /// each run and at the end how far it is. Returns when none of its runs is left, or it is
    /// cancelled. While another process carries it out this waits, and takes over when that one has
    /// not been heard of for 15 seconds.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, bulk_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// let ended = client.bulk_run(bulk_id, |now| println!("{} of {}", now.done, now.total)).await?;
    /// println!("{} refused", ended.refused);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkNotFound`] when there is none that could go on; [`Error::BulkExpired`] when it
    /// was frozen more than an hour ago and not begun; [`Error::Database`] when the database does
    /// not answer: call it again.
    pub async fn bulk_run(
        &self,
        bulk_id: Uuid,
        progress: impl FnMut(&Progress),
    ) -> Result<Progress, Error> {
        self.bulk_run_guarded(bulk_id, &mut Telling(progress)).await
    }

    /// Like [`Client::bulk_run`], and asks before each run whether to go on. Of what is left when
    /// it rests, or fails, the next call takes care, in this process or another.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client, bulk_id: uuid::Uuid, mut careful: impl makegood::bulk::Guard,
    /// # ) -> Result<(), makegood::Error> {
    /// client.bulk_run_guarded(bulk_id, &mut careful).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Client::bulk_run`], and the guard's own.
    pub async fn bulk_run_guarded(
        &self,
        bulk_id: Uuid,
        guard: &mut impl Guard,
    ) -> Result<Progress, Error> {
        let claim = Claim { bulk_id, driver: Uuid::now_v7() };
        let mut is_known = false;
        loop {
            let mut conn = self.connections().acquire().await?;
            if let Some(order) = bulk::claim(&mut conn, claim, LEASE_SECS).await? {
                drop(conn);
                is_known = true;
                if let Some(progress) = Drive::new(self, claim, order)?.run(guard).await? {
                    return Ok(progress);
                }
                continue; // Another took the claim over.
            }
            let (state, now) = standing(&mut conn, bulk_id).await?;
            match state.as_str() {
                "FROZEN" | "RUNNING" => {}
                "EXPIRED" => return Err(Error::BulkExpired(bulk_id)),
                _ if is_known => return Ok(now),
                _ => return Err(Error::BulkNotFound(bulk_id)),
            }
            is_known = true;
            drop(conn);
            let mut tx = self.connections().begin().await?;
            let go = guard.before(&mut tx, &now).await;
            // Whoever carries it out hears the same, and it is his to write.
            tx.rollback().await?;
            if go? != Go::On {
                return Ok(now);
            }
            sleep(DRIVEN).await;
        }
    }

    /// Begins a frozen bulk action, in the caller's transaction: `keeper` will see it to its end, in
    /// whatever process, with [`Client::bulk_run_guarded`] and
    /// [`abandoned_bulks`](crate::inspect::abandoned_bulks). Nothing is done to any run by this.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client, tx: &mut sqlx::PgConnection, bulk_id: uuid::Uuid,
    /// # ) -> Result<(), makegood::Error> {
    /// client.bulk_begin(tx, bulk_id, "console").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkExpired`] when it was frozen more than an hour ago; [`Error::BulkNotFound`] when
    /// it was begun before, is over, or never was.
    pub async fn bulk_begin(
        &self,
        conn: &mut PgConnection,
        bulk_id: Uuid,
        keeper: &str,
    ) -> Result<(), Error> {
        if bulk::begin(&mut *conn, bulk_id, keeper).await? {
            return Ok(());
        }
        match inspect::bulk(conn, bulk_id).await? {
            Some(bulk) if bulk.state == "EXPIRED" => Err(Error::BulkExpired(bulk_id)),
            _ => Err(Error::BulkNotFound(bulk_id)),
        }
    }

    /// Stops a bulk action, in the caller's transaction: runs whose turn has not come are left as
    /// they are.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     client: &makegood::Client, conn: &mut sqlx::PgConnection, bulk_id: uuid::Uuid,
    /// # ) -> Result<(), makegood::Error> {
    /// client.bulk_cancel(conn, bulk_id, "ada", "it does not help").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BulkNotFound`] when it is over, or never was.
    pub async fn bulk_cancel(
        &self,
        conn: &mut PgConnection,
        bulk_id: Uuid,
        actor: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let Signature { actor, reason } = self.operator(actor, reason)?.signature;
        if bulk::cancel(conn, bulk_id, &actor, &reason).await? {
            return Ok(());
        }
        Err(Error::BulkNotFound(bulk_id))
    }
}

async fn standing(conn: &mut PgConnection, bulk_id: Uuid) -> Result<(String, Progress), Error> {
    let bulk = inspect::bulk(conn, bulk_id).await?.ok_or(Error::BulkNotFound(bulk_id))?;
    let inspect::BulkView { total, done, ordered, refused, changed, failed, .. } = bulk;
    let now = Progress::of(&Tally { total, done, ordered, refused, changed, failed });
    Ok((bulk.state, now))
}
