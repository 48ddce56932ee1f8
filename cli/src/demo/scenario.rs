//! What a customer may do, and how likely each is. How each must end is in `ends`.

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
    /// Pays, and the money is only set aside: somebody has to take it.
    Authorized,
    /// Pays, and the bank says yes only after a while.
    SlowBank,
    /// The bank refuses; the customer tries again and pays.
    TriedAgain,
    /// Pays twice in one session.
    PaidTwice,
    /// Pays another amount than asked.
    OtherAmount,
    /// Pays, and wants all of it back.
    RefundedInFull,
    /// Pays, and wants two parts of it back.
    RefundedInParts,
    /// Pays, and asks three times at once for more than half of it.
    RefundsAtOnce,
    /// Pays, and asks for more than that.
    RefundTooLarge,
    /// Pays, gets all of it back, and the bank sends it to the shop again.
    RefundSentBack,
    /// Pays, and somebody gives a part back in the gateway's dashboard.
    RefundedByHand,
}

/// Scenarios with their chances in a thousand.
type Chances = [(Scenario, u64)];

const ORDINARY: &Chances = &[
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

const CHAOS: &Chances = &[
    (Scenario::PaidByBoth, 40),
    (Scenario::PaidByVerify, 40),
    (Scenario::PaidByWebhook, 50),
    (Scenario::DoubleClick, 30),
    (Scenario::DuplicatedWebhooks, 40),
    (Scenario::ReorderedWebhooks, 30),
    (Scenario::DelayedWebhooks, 30),
    (Scenario::GatewayTimesOut, 40),
    (Scenario::ReadsFail, 30),
    (Scenario::Declined, 30),
    (Scenario::DeclinedThenCaptured, 40),
    (Scenario::Abandoned, 30),
    (Scenario::Cancelled, 30),
    (Scenario::CancelledWhilePaying, 40),
    (Scenario::ForgedVerify, 30),
    (Scenario::ForgedWebhook, 30),
    (Scenario::OutOfStock, 30),
    (Scenario::PaidTooLate, 40),
    (Scenario::Authorized, 40),
    (Scenario::SlowBank, 30),
    (Scenario::TriedAgain, 40),
    (Scenario::PaidTwice, 40),
    (Scenario::OtherAmount, 30),
    (Scenario::RefundedInFull, 30),
    (Scenario::RefundedInParts, 30),
    (Scenario::RefundsAtOnce, 30),
    (Scenario::RefundTooLarge, 30),
    (Scenario::RefundSentBack, 40),
    (Scenario::RefundedByHand, 30),
];

/// Who comes to the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// Mostly people who pay, drawn one by one.
    Ordinary,
    /// Everything that can go wrong, each thing about as often. Even a small crowd has all of it.
    Chaos,
}

impl Crowd {
    /// What customer number `index` does.
    pub(crate) fn scenario(self, seed: u64, index: u32) -> Scenario {
        match self {
            Self::Ordinary => pick(ORDINARY, draw(seed, index, "scenario") % 1_000),
            // Steps of the golden section of a thousand leave no gap as wide as any chance.
            Self::Chaos => {
                let start = draw(seed, 0, "crowd") % 1_000;
                pick(CHAOS, (start + u64::from(index) * 618) % 1_000)
            }
        }
    }
}

fn pick(chances: &Chances, mut left: u64) -> Scenario {
    for (scenario, chances) in chances {
        match left.checked_sub(*chances) {
            Some(rest) => left = rest,
            None => return *scenario,
        }
    }
    Scenario::PaidByBoth
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
            Self::Authorized => "paid, only authorized",
            Self::SlowBank => "paid, bank slow to say yes",
            Self::TriedAgain => "declined, tried again",
            Self::PaidTwice => "paid twice",
            Self::OtherAmount => "paid another amount",
            Self::RefundedInFull => "paid, all asked back",
            Self::RefundedInParts => "paid, two parts asked back",
            Self::RefundsAtOnce => "paid, asked back thrice at once",
            Self::RefundTooLarge => "paid, more than that asked back",
            Self::RefundSentBack => "paid, refund sent back by the bank",
            Self::RefundedByHand => "paid, a part given back by hand",
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
    use std::collections::BTreeSet;

    use super::*;

    fn crowd(crowd: Crowd, seed: u64, size: u32) -> Vec<Scenario> {
        (0..size).map(|index| crowd.scenario(seed, index)).collect()
    }

    #[test]
    fn the_chances_add_up() {
        for chances in [ORDINARY, CHAOS] {
            assert_eq!(chances.iter().map(|(_, chances)| chances).sum::<u64>(), 1_000);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_crowd_and_another_seed_another() {
        for kind in [Crowd::Ordinary, Crowd::Chaos] {
            assert_eq!(crowd(kind, 1, 200), crowd(kind, 1, 200));
            assert_ne!(crowd(kind, 1, 200), crowd(kind, 2, 200));
        }
    }

    #[test]
    fn every_scenario_occurs() {
        let all = |chances: &Chances| chances.iter().map(|(s, _)| *s).collect::<BTreeSet<_>>();
        let seen = |kind, seed, size| crowd(kind, seed, size).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(seen(Crowd::Ordinary, 1, 2_000), all(ORDINARY));
        for seed in 0..100 {
            assert_eq!(seen(Crowd::Chaos, seed, 60), all(CHAOS), "seed {seed}, sixty customers");
        }
    }
}
