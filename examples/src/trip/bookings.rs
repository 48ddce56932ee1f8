//! Bookings at the world outside: made, looked up, called off. They never touch the database.

use makegood::{Activity, ActivityResult, Attempt, Outside, ReadOnly, Resolution, Undoes};
use serde::{Deserialize, Serialize};

use crate::outside::{Client, Order, Receipt};

/// The book in which the world outside keeps bookings.
pub(super) const BOOKINGS: &str = "bookings";

/// What is to be booked, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// `flight`, `hotel` or `car`.
    pub what: String,
    /// For whom.
    pub traveller: String,
}

/// A booking that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// What is booked.
    pub what: String,
    /// Under which number.
    pub number: u64,
}

/// Books one thing. Refused with `SOLD_OUT` where there is none.
pub struct Book(pub(super) Client);

impl Activity for Book {
    const NAME: &'static str = "book";
    type Kind = Outside;
    type Input = Booking;
    type Output = Booked;

    async fn run(&self, attempt: &mut Attempt, booking: Booking) -> ActivityResult<Booked> {
        let order = Order { what: booking.what, whom: booking.traveller, cents: 0 };
        let receipt = self.0.place(BOOKINGS, &attempt.idempotency_key, &order).await?;
        Ok(Booked::of(order.what, &receipt))
    }

    /// An attempt was made and its answer is lost: is there a booking under our key?
    async fn resolve(
        &self,
        attempt: &mut Attempt,
        booking: Booking,
    ) -> ActivityResult<Resolution<Booked>> {
        let found = self.0.find(BOOKINGS, &attempt.idempotency_key).await?;
        Ok(match found {
            Some(receipt) => Resolution::Done(Booked::of(booking.what, &receipt)),
            None => Resolution::TryAgain,
        })
    }
}

/// Calls a booking off by the key under which it was made, or was to be made: there may never have
/// been one, and then there never will be.
pub struct CallOff(pub(super) Client);

impl Activity for CallOff {
    const NAME: &'static str = "call_off";
    type Kind = Outside;
    type Input = Undoes<Book>;
    type Output = String;

    async fn run(&self, _: &mut Attempt, booked: Undoes<Book>) -> ActivityResult<String> {
        self.0.call_off(BOOKINGS, &booked.idempotency_key).await?;
        Ok(booked.input.what)
    }
}

/// Asks what several things cost together. It only reads, so it needs no key and no undo.
pub struct AskPrices(pub(super) Client);

impl Activity for AskPrices {
    const NAME: &'static str = "ask_prices";
    type Kind = ReadOnly;
    type Input = Vec<Booking>;
    type Output = u64;

    async fn run(&self, _: &mut Attempt, wanted: Vec<Booking>) -> ActivityResult<u64> {
        let mut cents: u64 = 0;
        for booking in wanted {
            cents = cents.saturating_add(self.0.price_cents(&booking.what).await?);
        }
        Ok(cents)
    }
}

impl Booked {
    fn of(what: String, receipt: &Receipt) -> Self {
        Self { what, number: receipt.number }
    }
}
