//! The traveller's card: the point of no return. It refunds nothing.

use makegood::{Activity, ActivityResult, Attempt, Outside, Resolution};
use serde::{Deserialize, Serialize};

use crate::outside::{Client, Order};

const CHARGES: &str = "charges";

/// What is to be paid, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Whose card it is.
    pub traveller: String,
    /// How much.
    pub price_cents: u64,
}

/// Charges the card and answers with the receipt's number. A refusal makes the trip good; an
/// outcome that is unknown is looked up, so nobody pays twice and nobody travels for nothing.
pub struct Charge(pub(super) Client);

impl Activity for Charge {
    const NAME: &'static str = "charge";
    type Kind = Outside;
    type Input = Payment;
    type Output = u64;

    async fn run(&self, attempt: &mut Attempt, payment: Payment) -> ActivityResult<u64> {
        let what = "charge".to_owned();
        let order = Order { what, whom: payment.traveller, cents: payment.price_cents };
        Ok(self.0.place(CHARGES, &attempt.idempotency_key, &order).await?.number)
    }

    async fn resolve(&self, attempt: &mut Attempt, _: Payment) -> ActivityResult<Resolution<u64>> {
        let found = self.0.find(CHARGES, &attempt.idempotency_key).await?;
        Ok(found.map_or(Resolution::TryAgain, |receipt| Resolution::Done(receipt.number)))
    }
}
