//! What a customer may do, how likely each is, and how each must end.
//! It never looks at how anything did end: that is `truth`.

use std::fmt;

use serde::Serialize;

/// What one customer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Pays; the browser verifies and the webhooks come.
    PaidByBoth,
    /// Pays; the browser verifies, every webhook is lost.
    PaidByVerify,
    /// Pays and closes the browser; only the webhooks tell.
    PaidByWebhook,
    /// Clicks everything twice.
    DoubleClick,
    /// Pays; each webhook comes many times, also under new event ids.
    DuplicatedWebhooks,
    /// Pays; the webhooks come in the wrong order.
    ReorderedWebhooks,
    /// Pays; the webhooks come late.
    DelayedWebhooks,
    /// Pays; the gateway had created its order but did not answer.
    GatewayTimesOut,
    /// Pays; the gateway fails when the payment is read.
    ReadsFail,
    /// The bank refuses.
    Declined,
    /// The bank refuses, and takes the money after all.
    DeclinedThenCaptured,
    /// Leaves without paying.
    Abandoned,
    /// Cancels instead of paying.
    Cancelled,
    /// Cancels and pays in the same moment.
    CancelledWhilePaying,
    /// Claims to have paid, with a forged signature.
    ForgedVerify,
    /// Sends a forged webhook.
    ForgedWebhook,
    /// Wants what hardly any is left of.
    OutOfStock,
    /// Pays at the gateway after the order has expired.
    PaidTooLate,
}

/// All scenarios with their chances in a thousand.
const CHANCES: [(Scenario, u64); 18] = [
    (Scenario::PaidByBoth, 160),
    (Scenario::PaidByVerify, 100),
    (Scenario::PaidByWebhook, 100),
    (Scenario::DoubleClick, 40),
    (Scenario::DuplicatedWebhooks, 50),
    (Scenario::ReorderedWebhooks, 40),
    (Scenario::DelayedWebhooks, 40),
    (Scenario::GatewayTimesOut, 50),
    (Scenario::ReadsFail, 30),
    (Scenario::Declined, 70),
    (Scenario::DeclinedThenCaptured, 20),
    (Scenario::Abandoned, 80),
    (Scenario::Cancelled, 60),
    (Scenario::CancelledWhilePaying, 20),
    (Scenario::ForgedVerify, 40),
    (Scenario::ForgedWebhook, 30),
    (Scenario::OutOfStock, 50),
    (Scenario::PaidTooLate, 20),
];

impl Scenario {
    /// What customer number `index` of a crowd does.
    pub(crate) fn of(seed: u64, index: u32) -> Self {
        let mut left = draw(seed, index, "scenario") % 1_000;
        for (scenario, chances) in CHANCES {
            match left.checked_sub(chances) {
                Some(rest) => left = rest,
                None => return scenario,
            }
        }
        Self::PaidByBoth
    }

    /// The ends that this scenario may have after what the customer got done.
    pub(crate) fn allowed(self, deeds: Deeds) -> &'static [End] {
        use Scenario as S;
        use Timing::{AfterTheEnd, InTime, LastMoment};
        match (self, deeds.attempt) {
            // Whoever never got as far as paying is cancelled on request, and expires otherwise.
            (S::OutOfStock, Attempt::None) => &[End::OutOfStock, End::Expired],
            // The last piece may be gone when late money asks for it again.
            (S::OutOfStock, Attempt::Captured(LastMoment | AfterTheEnd)) => {
                &[End::Paid, End::OutOfStockRefunded]
            }
            (S::Cancelled, _) | (S::CancelledWhilePaying, Attempt::None) => match deeds.cancel {
                Some(InTime) => &[End::Cancelled],
                Some(LastMoment | AfterTheEnd) => &[End::Cancelled, End::Expired],
                None => &[End::Expired],
            },
            (_, Attempt::None) => &[End::Expired],
            (S::CancelledWhilePaying, _) => &[End::Paid, End::CancelledRefunded],
            // What comes while the order is being undone goes back with the rest.
            (S::DeclinedThenCaptured, _) => &[End::Paid, End::DeclinedRefunded],
            (_, Attempt::Captured(LastMoment)) => &[End::Paid, End::ExpiredRefunded],
            // Whatever comes late pays its order, as long as there is stock.
            (_, Attempt::Captured(_)) => &[End::Paid],
            (_, Attempt::Refused(InTime)) => &[End::Declined],
            (_, Attempt::Refused(LastMoment | AfterTheEnd)) => &[End::Declined, End::Expired],
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PaidByBoth => "paid, verified and announced",
            Self::PaidByVerify => "paid, webhooks lost",
            Self::PaidByWebhook => "paid, browser closed",
            Self::DoubleClick => "paid, everything clicked twice",
            Self::DuplicatedWebhooks => "paid, webhooks duplicated",
            Self::ReorderedWebhooks => "paid, webhooks reordered",
            Self::DelayedWebhooks => "paid, webhooks delayed",
            Self::GatewayTimesOut => "paid, gateway timed out before",
            Self::ReadsFail => "paid, gateway failing when read",
            Self::Declined => "declined",
            Self::DeclinedThenCaptured => "declined, captured after all",
            Self::Abandoned => "abandoned",
            Self::Cancelled => "cancelled",
            Self::CancelledWhilePaying => "cancelled while paying",
            Self::ForgedVerify => "forged verification",
            Self::ForgedWebhook => "forged webhook",
            Self::OutOfStock => "wants the scarce product",
            Self::PaidTooLate => "paid too late",
        })
    }
}

/// When something happened, beside the order's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Well before it.
    InTime,
    /// Too close to it to tell.
    LastMoment,
    /// After the order had ended.
    AfterTheEnd,
}

/// What the customer got done at the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Nothing.
    #[default]
    None,
    /// The bank refused, or the proof was forged.
    Refused(Timing),
    /// The gateway has the money.
    Captured(Timing),
}

/// What the customer got done, as far as it decides which ends are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// The payment.
    pub(crate) attempt: Attempt,
    /// When a cancellation was accepted.
    pub(crate) cancel: Option<Timing>,
}

/// How a checkout ended, in our books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// PAID, by exactly one payment.
    Paid,
    /// FAILED for stock, no money taken.
    OutOfStock,
    /// FAILED for stock, late money returned.
    OutOfStockRefunded,
    /// FAILED by the bank or a forged proof, no money taken.
    Declined,
    /// FAILED by the bank, money returned.
    DeclinedRefunded,
    /// EXPIRED, no money taken.
    Expired,
    /// EXPIRED, money returned.
    ExpiredRefunded,
    /// CANCELLED, no money taken.
    Cancelled,
    /// CANCELLED, money returned.
    CancelledRefunded,
    /// None of these: no end at all, or one that must not be.
    Wrong,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paid => "paid",
            Self::OutOfStock => "out of stock",
            Self::OutOfStockRefunded => "out of stock, refunded",
            Self::Declined => "declined",
            Self::DeclinedRefunded => "declined, refunded",
            Self::Expired => "expired",
            Self::ExpiredRefunded => "expired, refunded",
            Self::Cancelled => "cancelled",
            Self::CancelledRefunded => "cancelled, refunded",
            Self::Wrong => "WRONG",
        })
    }
}

/// A number that depends on the seed, the customer and the question alone.
pub(crate) fn draw(seed: u64, index: u32, question: &str) -> u64 {
    let start = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(index);
    question.bytes().fold(mix(start), |state, byte| mix(state ^ u64::from(byte)))
}

/// One round of a 64-bit finalizer: every bit of the input moves half of the output's.
const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chances_add_up_and_most_customers_pay() {
        assert_eq!(CHANCES.iter().map(|(_, chances)| chances).sum::<u64>(), 1_000);
        let pays = |scenario: Scenario| {
            let paid = Deeds { attempt: Attempt::Captured(Timing::InTime), cancel: None };
            scenario.allowed(paid) == [End::Paid] && scenario < Scenario::Declined
        };
        let paying = (0..10_000).filter(|index| pays(Scenario::of(7, *index))).count();
        assert!((5_500..6_600).contains(&paying), "{paying} of 10000 customers mean to pay");
    }

    #[test]
    fn the_same_seed_gives_the_same_crowd_and_another_seed_another() {
        let crowd = |seed| (0..200).map(|index| Scenario::of(seed, index)).collect::<Vec<_>>();
        assert_eq!(crowd(1), crowd(1));
        assert_ne!(crowd(1), crowd(2));
    }

    #[test]
    fn every_scenario_occurs() {
        for (scenario, _) in CHANCES {
            let occurs = (0..2_000).any(|index| Scenario::of(1, index) == scenario);
            assert!(occurs, "nobody in a crowd of 2000 plays {scenario:?}");
        }
    }

    #[test]
    fn money_taken_is_either_for_the_order_or_returned() {
        use Timing::{AfterTheEnd, InTime, LastMoment};
        let keeps_or_returns = |end: &End| {
            [
                End::Paid,
                End::OutOfStockRefunded,
                End::DeclinedRefunded,
                End::ExpiredRefunded,
                End::CancelledRefunded,
            ]
            .contains(end)
        };
        for (scenario, _) in CHANCES.iter().filter(|(scenario, _)| *scenario != Scenario::Cancelled)
        {
            for timing in [InTime, LastMoment, AfterTheEnd] {
                let deeds = Deeds { attempt: Attempt::Captured(timing), cancel: Some(timing) };
                let allowed = scenario.allowed(deeds);
                assert!(
                    allowed.iter().all(keeps_or_returns),
                    "captured money of {scenario:?} may end as {allowed:?}"
                );
            }
        }
    }

    #[test]
    fn an_order_that_nobody_paid_must_not_end_paid() {
        for (scenario, _) in CHANCES {
            let allowed = scenario.allowed(Deeds::default());
            assert!(!allowed.contains(&End::Paid), "{scenario:?} cannot be paid by nobody");
            assert!(!allowed.contains(&End::Wrong), "{scenario:?} must end");
        }
    }
}
