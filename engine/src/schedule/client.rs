//! What a client may do with schedules, inside the caller's own transactions. It fires none but on
//! demand.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;

use super::stored::start;
use super::{Kept, Schedule, ScheduleView, Scheduled};
use crate::client::{Client, Started};
use crate::error::Error;
use crate::lane::Lanes;
use crate::store::firings;
use crate::store::schedules::{self, Locked, Next};
use crate::store::whole::Whole;
use crate::workflow::Workflow;

impl Client {
    /// Keeps a schedule, known by its name: creates it, or makes the one that exists say this.
    ///
    /// Every start of a process may call it. A schedule that says the same already is not touched;
    /// one that now fires at other times fires from now on. Paused it stays, whatever is asked.
    ///
    /// ```no_run
    /// # use makegood::{Client, Ctx, Schedule, Scheduled, Workflow, WorkflowResult};
    /// # struct Books;
    /// # impl Workflow for Books {
    /// #     const NAME: &'static str = "books";
    /// #     type Input = Scheduled<String>;
    /// #     type Output = ();
    /// #     async fn run(_: Ctx, _: Scheduled<String>) -> WorkflowResult<()> { Ok(()) }
    /// # }
    /// # async fn example(client: &Client, conn: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// let nightly = Schedule::new("nightly books", "30 2 * * *")?.in_zone("Europe/Berlin")?;
    /// client.schedule::<Books, _>(conn, &nightly, &"the shop".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSchedule`] when it will not fire again, [`Error::TooLarge`] when the input
    /// is.
    pub async fn schedule<W, I>(
        &self,
        conn: &mut PgConnection,
        schedule: &Schedule,
        input: &I,
    ) -> Result<Kept, Error>
    where
        W: Workflow<Input = Scheduled<I>>,
        I: Serialize,
    {
        let input = self.encode(W::NAME, input)?;
        let mut whole = Whole::on(conn).await?;
        let kept = keep::<W>(whole.conn(), schedule, &input).await;
        whole.end(kept).await
    }

    /// All schedules, by name.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, conn: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// let broken = client.schedules(conn).await?.into_iter().filter(|s| s.fault.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] when the database does not answer.
    pub async fn schedules(&self, conn: &mut PgConnection) -> Result<Vec<ScheduleView>, Error> {
        Ok(schedules::list(conn).await?)
    }

    /// Lets a schedule rest until it is resumed. Runs that it has started go on.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, conn: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// client.pause_schedule(conn, "nightly books").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ScheduleNotFound`] when there is none of this name.
    pub async fn pause_schedule(&self, conn: &mut PgConnection, name: &str) -> Result<(), Error> {
        found(schedules::pause(conn, name).await?, name)
    }

    /// Lets a paused schedule fire again, from its next firing on: what fell into the pause was not
    /// missed. One that is not paused stays as it is.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, conn: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// client.resume_schedule(conn, "nightly books").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ScheduleNotFound`] when there is none of this name, [`Error::InvalidSchedule`]
    /// when it will not fire again.
    pub async fn resume_schedule(&self, conn: &mut PgConnection, name: &str) -> Result<(), Error> {
        let mut whole = Whole::on(conn).await?;
        let resumed = resume(whole.conn(), name).await;
        whole.end(resumed).await
    }

    /// Forgets a schedule. Runs that it has started go on.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, conn: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// client.delete_schedule(conn, "nightly books").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ScheduleNotFound`] when there is none of this name.
    pub async fn delete_schedule(&self, conn: &mut PgConnection, name: &str) -> Result<(), Error> {
        found(schedules::delete(conn, name).await?, name)
    }

    /// Starts a run of a schedule now, whether it is paused or its last run lives. Its firings to
    /// come stay as they are. Call [`Client::wake`] after the commit.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, conn: &mut sqlx::PgConnection)
    /// # -> Result<(), makegood::Error> {
    /// let run = client.fire_schedule(conn, "nightly books").await?;
    /// client.wake();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ScheduleNotFound`] when there is none of this name.
    pub async fn fire_schedule(
        &self,
        conn: &mut PgConnection,
        name: &str,
    ) -> Result<Started, Error> {
        let mut whole = Whole::on(conn).await?;
        let started = fire(whole.conn(), self.lanes(), name).await;
        whole.end(started).await
    }
}

async fn fire(conn: &mut PgConnection, lanes: &Lanes, name: &str) -> Result<Started, Error> {
    let schedule = lock(&mut *conn, name).await?;
    let started = start(&mut *conn, lanes, &schedule, schedule.now).await?;
    firings::note(conn, &schedule, started.run_id).await?;
    Ok(started)
}

async fn keep<W: Workflow>(
    conn: &mut PgConnection,
    schedule: &Schedule,
    input: &RawValue,
) -> Result<Kept, Error> {
    let wanted = schedule.definition(W::NAME, W::VERSION);
    let now = schedules::now(&mut *conn).await?;
    let first = schedule.rule.first_after(&schedule.name, now).map(Next::from);
    let first = first.ok_or_else(|| never(&schedule.name))?;
    loop {
        let paused = schedule.paused.then_some(());
        let name = &schedule.name;
        if schedules::insert(&mut *conn, name, &wanted, input.get(), first, paused).await? {
            return Ok(Kept::Created);
        }
        // Gone again since then: deleted by somebody.
        let Some(found) = schedules::lock(&mut *conn, name).await? else { continue };
        let id = found.schedule_id;
        let same_input = schedules::has_input(&mut *conn, id, input.get()).await?;
        if found.definition == wanted && same_input && found.fault.is_none() {
            return Ok(Kept::Unchanged);
        }
        let stays = found.definition.fires_like(&wanted) && found.fault.is_none();
        let next = match found.next_at.filter(|_| stays) {
            Some(at) => schedule.rule.firing(name, at).into(),
            None => first,
        };
        schedules::change(conn, id, &wanted, input.get(), next).await?;
        return Ok(Kept::Changed);
    }
}

async fn resume(conn: &mut PgConnection, name: &str) -> Result<(), Error> {
    let schedule = lock(&mut *conn, name).await?;
    let next = schedule.definition.rule()?.first_after(name, schedule.now);
    let next = next.ok_or_else(|| never(name))?;
    Ok(schedules::resume(conn, schedule.schedule_id, next.into()).await?)
}

async fn lock(conn: &mut PgConnection, name: &str) -> Result<Locked, Error> {
    let schedule = schedules::lock(conn, name).await?;
    schedule.ok_or_else(|| Error::ScheduleNotFound(name.to_owned()))
}

fn found(there: bool, name: &str) -> Result<(), Error> {
    if there { Ok(()) } else { Err(Error::ScheduleNotFound(name.to_owned())) }
}

fn never(name: &str) -> Error {
    Error::InvalidSchedule(format!("{name} will not fire again"))
}
