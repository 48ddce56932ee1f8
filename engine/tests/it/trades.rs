//! Small sagas of other trades.

use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Closing, Ctx, InTransaction, Late,
    LateSignal, MadeGood, Outside, ReadOnly, Registry, Resolution, RetryPolicy, Signal, Undoes,
    Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

pub use crate::world::{Fault, world};

/// Tables of the tests' own: a notebook of effects in the database.
pub const TABLES: &[&str] =
    &["create table notes (note_id bigint generated always as identity primary key,
       trip text not null, note text not null)"];

pub fn registry() -> Registry {
    Registry::new()
        .workflow::<Trip>()
        .workflow::<Parcel>()
        .workflow::<Patience>()
        .workflow::<Returns>()
        .workflow::<Steps4>()
        .activity(Note)
        .activity(Erase)
        .activity(Book)
        .activity(Unbook)
        .activity(Look)
        .activity(CloseTrip)
}

/// What a trip wants, and how the world shall treat it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The trip's name, unique in the process.
    pub trip: String,
    /// Reject this booking.
    pub reject: Option<String>,
}

impl Plan {
    pub fn new() -> Self {
        Self { trip: uuid::Uuid::now_v7().simple().to_string(), reject: None }
    }

    pub fn rejecting(what: &str) -> Self {
        Self { reject: Some(what.to_owned()), ..Self::new() }
    }
}

/// Books a flight and a hotel, notes both, waits for nobody.
pub struct Trip;

impl Workflow for Trip {
    const NAME: &'static str = "trip";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Note>(&line(&plan, "packed")).undo::<Erase>().await?;
        let flight = ctx.step::<Book>(&booking(&plan, "flight")).undo::<Unbook>().await?;
        ctx.step::<Book>(&booking(&plan, "hotel")).undo::<Unbook>().await?;
        ctx.step::<Look>(&plan.trip).await?;
        let (_, ctx) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        ctx.step::<Note>(&line(&plan, "announced")).await?;
        Ok(flight)
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseTrip>())
    }
}

/// Waits for a signature.
pub struct Parcel;

#[derive(Debug, Serialize, Deserialize)]
pub struct Signed {
    pub by: String,
}

impl Signal for Signed {
    const KIND: &'static str = "signed";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub plan: Plan,
    pub within_ms: u64,
}

impl Workflow for Parcel {
    const NAME: &'static str = "parcel";
    type Input = Waiting;
    type Output = Option<String>;

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<Option<String>> {
        let plan = &waiting.plan;
        ctx.step::<Book>(&booking(plan, "van")).undo::<Unbook>().await?;
        let within = Duration::from_millis(waiting.within_ms);
        let signed = ctx.signal::<Signed>().within(within).await?;
        let Some(signed) = signed else {
            return ctx.make_good("nobody signed");
        };
        let (_, _) = ctx.pivot::<Note>(&line(plan, "delivered")).await?;
        Ok(Some(signed.by))
    }

    fn closing() -> Option<Closing<Self>> {
        None
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(
            Late::to::<Returns>()
                .unless::<Signed>(|by: &Option<String>, signed| by.as_deref() == Some(&signed.by)),
        )
    }
}

/// Takes signatures that come too late.
pub struct Returns;

impl Workflow for Returns {
    const NAME: &'static str = "returns";
    type Input = LateSignal<Waiting>;
    type Output = String;

    async fn run(ctx: Ctx, late: LateSignal<Waiting>) -> WorkflowResult<String> {
        ctx.step::<Note>(&line(&late.input.plan, "returned")).await?;
        Ok(late.signal_id)
    }
}

/// Sleeps twice, with a step between.
pub struct Patience;

impl Workflow for Patience {
    const NAME: &'static str = "patience";
    type Input = Waiting;
    type Output = ();

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<()> {
        let nap = Duration::from_millis(waiting.within_ms);
        ctx.sleep(nap).await?;
        ctx.step::<Note>(&line(&waiting.plan, "woke")).await?;
        ctx.sleep(nap).await?;
        ctx.step::<Note>(&line(&waiting.plan, "woke again")).await?;
        Ok(())
    }
}

/// Four outside steps.
pub struct Steps4;

impl Workflow for Steps4 {
    const NAME: &'static str = "steps4";
    type Input = Plan;
    type Output = u32;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<u32> {
        for what in ["one", "two", "three", "four"] {
            ctx.step::<Book>(&booking(&plan, what)).await?;
        }
        Ok(4)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub trip: String,
    pub note: String,
}

pub fn line(plan: &Plan, note: &str) -> Line {
    Line { trip: plan.trip.clone(), note: note.to_owned() }
}

/// Writes a note, in the transaction.
pub struct Note;

impl Activity for Note {
    const NAME: &'static str = "note";
    type Kind = InTransaction;
    type Input = Line;
    type Output = i64;

    async fn run(&self, tx: &mut PgConnection, line: Line) -> ActivityResult<i64> {
        let id =
            sqlx::query_scalar("insert into notes (trip, note) values ($1, $2) returning note_id")
                .bind(&line.trip)
                .bind(&line.note)
                .fetch_one(tx)
                .await?;
        // After its effect, so that a rollback has something to take back.
        world().meet(&line.trip, &format!("note {}", line.note))?;
        Ok(id)
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Erases a note.
pub struct Erase;

impl Activity for Erase {
    const NAME: &'static str = "erase";
    type Kind = InTransaction;
    type Input = Undoes<Note>;
    type Output = u64;

    async fn run(&self, tx: &mut PgConnection, undoes: Undoes<Note>) -> ActivityResult<u64> {
        let Line { trip, note } = undoes.input;
        world().meet(&trip, &format!("erase {note}"))?;
        let done = sqlx::query("delete from notes where trip = $1 and note = $2")
            .bind(&trip)
            .bind(&note)
            .execute(tx)
            .await?;
        Ok(done.rows_affected())
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Booking {
    pub trip: String,
    pub what: String,
    pub reject: bool,
}

pub fn booking(plan: &Plan, what: &str) -> Booking {
    let reject = plan.reject.as_deref() == Some(what);
    Booking { trip: plan.trip.clone(), what: what.to_owned(), reject }
}

/// Books something outside.
pub struct Book;

impl Activity for Book {
    const NAME: &'static str = "book";
    type Kind = Outside;
    type Input = Booking;
    type Output = String;

    async fn run(&self, attempt: &mut Attempt, booking: Booking) -> ActivityResult<String> {
        if booking.reject {
            return Err(ActivityError::rejected("FULL"));
        }
        let event = format!("book {}", booking.what);
        world().stall(&booking.trip, &format!("before {event}")).await;
        world().before(&booking.trip, &event)?;
        world().book(&booking.trip, &booking.what, &attempt.idempotency_key);
        world().meet(&booking.trip, &event)?;
        world().stall(&booking.trip, &event).await;
        Ok(attempt.idempotency_key.clone())
    }

    async fn resolve(
        &self,
        attempt: &mut Attempt,
        booking: Booking,
    ) -> ActivityResult<Resolution<String>> {
        let key = &attempt.idempotency_key;
        Ok(if world().booked(&booking.trip).iter().any(|(_, known)| known == key) {
            Resolution::Done(key.clone())
        } else {
            Resolution::TryAgain
        })
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Cancels a booking; there may never have been one.
pub struct Unbook;

impl Activity for Unbook {
    const NAME: &'static str = "unbook";
    type Kind = Outside;
    type Input = Undoes<Book>;
    type Output = String;

    async fn run(&self, _: &mut Attempt, undoes: Undoes<Book>) -> ActivityResult<String> {
        let Booking { trip, what, .. } = undoes.input;
        world().meet(&trip, &format!("unbook {what}"))?;
        world().unbook(&trip, &undoes.idempotency_key);
        Ok(what)
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Looks at the world and changes nothing.
pub struct Look;

impl Activity for Look {
    const NAME: &'static str = "look";
    type Kind = ReadOnly;
    type Input = String;
    type Output = usize;

    async fn run(&self, _: &mut Attempt, trip: String) -> ActivityResult<usize> {
        world().meet(&trip, "look")?;
        Ok(world().booked(&trip).len())
    }
}

/// Notes how a trip ended, with what its undos answered.
pub struct CloseTrip;

impl Activity for CloseTrip {
    const NAME: &'static str = "close_trip";
    type Kind = InTransaction;
    type Input = MadeGood<Plan>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, ended: MadeGood<Plan>) -> ActivityResult<()> {
        let undone: Vec<String> = ended.undone.iter().map(|u| u.answer.to_string()).collect();
        let note = format!("closed: {:?} {}", ended.cause, undone.join(","));
        sqlx::query("insert into notes (trip, note) values ($1, $2)")
            .bind(&ended.input.trip)
            .bind(note)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Fails often and soon.
pub fn quick() -> RetryPolicy {
    RetryPolicy {
        initial: Duration::from_millis(5),
        cap: Duration::from_millis(20),
        ..RetryPolicy::attempts(4)
    }
}
