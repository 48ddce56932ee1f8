//! Trips in the database: planned with the start of their run, confirmed or closed by it.

use makegood::{
    Activity, ActivityError, ActivityResult, Cause, Client, Error, InTransaction, MadeGood, Started,
};
use sqlx::PgConnection;

use super::{Itinerary, Reason, Trip, TripWish};

/// Writes a trip down and starts its run in the caller's transaction: both are there, or neither.
/// Call [`Client::wake`] after the commit.
///
/// # Errors
/// [`Error::InputConflict`] when the trip's name was used for another wish.
pub async fn plan(
    tx: &mut PgConnection,
    client: &Client,
    wish: &TripWish,
) -> Result<Started, Error> {
    sqlx::query(
        "insert into trips (trip_id, traveller) values ($1, $2) on conflict (trip_id) do nothing",
    )
    .bind(&wish.trip_id)
    .bind(&wish.traveller)
    .execute(&mut *tx)
    .await?;
    client.start::<Trip>(tx, &wish.trip_id, wish).await
}

/// Confirms a paid trip, in the very transaction that records this step.
pub struct ConfirmTrip;

impl Activity for ConfirmTrip {
    const NAME: &'static str = "confirm_trip";
    type Kind = InTransaction;
    type Input = Itinerary;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, trip: Itinerary) -> ActivityResult<()> {
        let note = format!("paid with receipt {}", trip.receipt);
        end(tx, &trip.trip_id, "CONFIRMED", &note).await
    }
}

/// Says of a trip that was made good why, in the commit that ends its run.
pub struct CloseTrip;

impl Activity for CloseTrip {
    const NAME: &'static str = "close_trip";
    type Kind = InTransaction;
    type Input = MadeGood<TripWish>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, ended: MadeGood<TripWish>) -> ActivityResult<()> {
        let note = match ended.cause {
            Cause::Rejected(refused) => format!("{}: {}", refused.step, refused.code),
            Cause::Cancelled { reason } => format!("cancelled: {reason}"),
            Cause::Operator { actor, reason } => format!("undone by {actor}: {reason}"),
            Cause::MadeGood { reason } => match serde_json::from_value(reason)? {
                Reason::TooDear { price_cents } => format!("too dear at {price_cents} cents"),
            },
        };
        end(tx, &ended.input.trip_id, "CALLED_OFF", &note).await
    }
}

/// Only a planned trip can end: should it have ended before, a person must look.
async fn end(tx: &mut PgConnection, trip_id: &str, status: &str, note: &str) -> ActivityResult<()> {
    let ended = sqlx::query(
        "update trips set status = $2, note = $3 where trip_id = $1 and status = 'PLANNED'",
    )
    .bind(trip_id)
    .bind(status)
    .bind(note)
    .execute(tx)
    .await?;
    match ended.rows_affected() {
        1 => Ok(()),
        _ => Err(ActivityError::review("trip_status", format!("trip {trip_id} is not planned"))),
    }
}
