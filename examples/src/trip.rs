//! A trip: flight, hotel and car booked side by side, then paid; or everything called off again.
//!
//! What it teaches: steps at the same time, an undo for each, a pivot, and calls of which nobody
//! knows whether they happened.

mod bookings;
mod card;
mod trips;

use makegood::{Closing, Ctx, Registry, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

pub use self::bookings::{AskPrices, Book, Booked, Booking, CallOff};
pub use self::card::{Charge, Payment};
pub use self::trips::{CloseTrip, ConfirmTrip, plan};
use crate::outside;

/// Carries a wish to a paid trip, or to the equivalent of never having wished.
pub struct Trip;

impl Workflow for Trip {
    const NAME: &'static str = "trip";
    type Input = TripWish;
    type Output = Itinerary;

    async fn run(ctx: Ctx, wish: TripWish) -> WorkflowResult<Itinerary> {
        // All four are under way at once. If one booking is refused, those that stand are undone.
        let wanted = ["flight", "hotel", "car"].map(|what| wish.booking(what));
        let bookings = wanted.iter().map(|booking| ctx.step::<Book>(booking).undo::<CallOff>());
        let prices = ctx.step::<AskPrices>(&wanted.to_vec());
        let (booked, price_cents) = ctx.join(ctx.all(bookings), prices).await?;

        if price_cents > wish.budget_cents {
            return ctx.make_good(Reason::TooDear { price_cents });
        }

        // Until here everything could be undone; from here on there is only forward.
        let payment = Payment { traveller: wish.traveller.clone(), price_cents };
        let (receipt, ctx) = ctx.pivot::<Charge>(&payment).await?;
        let itinerary = Itinerary { trip_id: wish.trip_id, booked, price_cents, receipt };
        ctx.step::<ConfirmTrip>(&itinerary).await?;
        Ok(itinerary)
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseTrip>())
    }
}

/// What somebody wishes: the input of a [`Trip`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TripWish {
    /// The trip, by the traveller's own name for it.
    pub trip_id: String,
    /// Who travels.
    pub traveller: String,
    /// The most that it may cost.
    pub budget_cents: u64,
}

/// A booked and paid trip: the output of a [`Trip`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Itinerary {
    /// The trip.
    pub trip_id: String,
    /// What is booked, in the order of the wish.
    pub booked: Vec<Booked>,
    /// What it costs.
    pub price_cents: u64,
    /// The number of the card's receipt.
    pub receipt: u64,
}

/// Why a trip chose to be made good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It costs more than the traveller wants to pay.
    TooDear {
        /// What it costs.
        price_cents: u64,
    },
}

impl TripWish {
    fn booking(&self, what: &str) -> Booking {
        Booking { what: what.to_owned(), traveller: self.traveller.clone() }
    }
}

/// Adds the trip and its activities to what a worker knows.
pub fn register(registry: Registry, outside: &outside::Client) -> Registry {
    registry
        .workflow::<Trip>()
        .activity(Book(outside.clone()))
        .activity(CallOff(outside.clone()))
        .activity(AskPrices(outside.clone()))
        .activity(Charge(outside.clone()))
        .activity(ConfirmTrip)
        .activity(CloseTrip)
}
