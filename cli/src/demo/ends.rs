//! How each scenario must end, by what its customer got done and what the shop's policy was.
//! It never looks at how anything did end: that is `truth`.

use std::fmt;

use domain::{Capture, LateMoney, Terms};
use serde::Serialize;

use super::scenario::Scenario;

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

/// How much of what an order keeps was to go back to its customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Back {
    /// Nothing, or what the bank sent back to the shop again.
    #[default]
    Nothing,
    /// So much of it, in the smallest unit.
    Part(i64),
    /// All.
    All,
}

/// What the customer got done, as far as it decides which ends are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// The payment.
    pub(crate) attempt: Attempt,
    /// When a cancellation was accepted.
    pub(crate) cancel: Option<Timing>,
    /// The refunds that were promised.
    pub(crate) back: Back,
}

/// The ends that a scenario may have after what its customer got done, under these terms.
pub(crate) fn allowed(scenario: Scenario, deeds: Deeds, terms: Terms) -> &'static [End] {
    use LateMoney::{AlwaysRefund, ManualReview, RereserveThenFulfil};
    use Scenario as S;
    use Timing::{AfterTheEnd, InTime, LastMoment};
    match deeds.back {
        Back::Nothing => {}
        Back::Part(_) => return &[End::RefundedInPart],
        Back::All => return &[End::Refunded],
    }
    match (scenario, deeds.attempt) {
        // Whoever never got as far as paying is cancelled on request, and expires otherwise.
        (S::OutOfStock, Attempt::None) => &[End::OutOfStock, End::Expired],
        // The last piece may be gone when late money asks for it again.
        (S::OutOfStock, Attempt::Captured(LastMoment | AfterTheEnd)) => {
            &[End::Paid, End::OutOfStockRefunded, End::ExpiredRefunded]
        }
        (S::Cancelled, _) | (S::CancelledWhilePaying, Attempt::None) => match deeds.cancel {
            Some(InTime) => &[End::Cancelled],
            Some(LastMoment | AfterTheEnd) => &[End::Cancelled, End::Expired],
            None => &[End::Expired],
        },
        (_, Attempt::None) => &[End::Expired],
        // The order may have run out of time before the money, and before anybody cancelled it.
        (S::CancelledWhilePaying, Attempt::Captured(LastMoment | AfterTheEnd)) => {
            &[End::Paid, End::CancelledRefunded, End::ExpiredRefunded]
        }
        (S::CancelledWhilePaying, _) => &[End::Paid, End::CancelledRefunded],
        // A person sends it back; without an order to hold it for, nobody needs to be asked.
        (S::OtherAmount, Attempt::Captured(InTime)) => &[End::CancelledRefunded],
        (S::OtherAmount, Attempt::Captured(LastMoment | AfterTheEnd)) => {
            &[End::CancelledRefunded, End::ExpiredRefunded]
        }
        // What comes while the order is being undone goes back with the rest.
        (S::DeclinedThenCaptured, Attempt::Refused(InTime)) => &[End::Paid, End::DeclinedRefunded],
        (S::DeclinedThenCaptured, _) => &[End::Paid, End::DeclinedRefunded, End::ExpiredRefunded],
        // What was only set aside when the order ended, nobody takes.
        (_, Attempt::Captured(LastMoment))
            if scenario == S::Authorized || terms.capture == Capture::Manual =>
        {
            &[End::Paid, End::ExpiredRefunded, End::Expired]
        }
        (_, Attempt::Captured(LastMoment)) => &[End::Paid, End::ExpiredRefunded],
        (_, Attempt::Captured(InTime)) => &[End::Paid],
        // Whatever comes late does as the shop wants it, as long as there is stock.
        (_, Attempt::Captured(AfterTheEnd)) => match terms.late_money {
            RereserveThenFulfil => &[End::Paid],
            AlwaysRefund => &[End::ExpiredRefunded],
            ManualReview => &[End::Paid, End::ExpiredRefunded],
        },
        (_, Attempt::Refused(InTime)) if scenario != S::TriedAgain => &[End::Declined],
        // Another try may begin too late, or find no time any more.
        (_, Attempt::Refused(_)) => &[End::Declined, End::Expired],
    }
}

/// How a checkout ended, in our books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// PAID, by exactly one payment; whatever else came in went back.
    Paid,
    /// PAID, and a part was given back on request.
    RefundedInPart,
    /// PAID, and all of it given back on request.
    Refunded,
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
            Self::RefundedInPart => "paid, refunded in part",
            Self::Refunded => "paid, refunded",
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

#[cfg(test)]
mod tests {
    use super::{super::scenario::Crowd, *};

    /// Everybody whom either crowd sends.
    fn everybody() -> impl Iterator<Item = Scenario> {
        let crowd = |kind: Crowd, size| (0..size).map(move |index| kind.scenario(1, index));
        crowd(Crowd::Ordinary, 2_000).chain(crowd(Crowd::Chaos, 60))
    }

    fn policies() -> [Terms; 3] {
        [LateMoney::RereserveThenFulfil, LateMoney::AlwaysRefund, LateMoney::ManualReview]
            .map(under)
    }

    fn under(late_money: LateMoney) -> Terms {
        Terms { capture: Capture::Automatic, late_money }
    }

    #[test]
    fn most_customers_pay() {
        let pays = |scenario: Scenario| {
            let attempt = Attempt::Captured(Timing::InTime);
            let deeds = Deeds { attempt, ..Deeds::default() };
            allowed(scenario, deeds, under(LateMoney::AlwaysRefund)) == [End::Paid]
                && scenario < Scenario::Declined
        };
        let scenarios = (0..10_000).map(|index| Crowd::Ordinary.scenario(7, index));
        let paying = scenarios.filter(|scenario| pays(*scenario)).count();
        assert!((5_500..6_600).contains(&paying), "{paying} of 10000 customers mean to pay");
    }

    #[test]
    fn money_taken_is_either_for_the_order_or_returned() {
        use Timing::{AfterTheEnd, InTime, LastMoment};
        let has_no_money = [End::OutOfStock, End::Declined, End::Expired, End::Cancelled];
        let keeps_or_returns = |end: &End| !has_no_money.contains(end) && *end != End::Wrong;
        let is_taken = |s: &Scenario| ![Scenario::Cancelled, Scenario::Authorized].contains(s);
        for scenario in everybody().filter(is_taken) {
            for (timing, late) in [InTime, LastMoment, AfterTheEnd]
                .into_iter()
                .flat_map(|t| policies().map(|p| (t, p)))
            {
                let attempt = Attempt::Captured(timing);
                let deeds = Deeds { attempt, cancel: Some(timing), back: Back::Nothing };
                let ends = allowed(scenario, deeds, late);
                assert!(
                    ends.iter().all(keeps_or_returns),
                    "captured money of {scenario:?} may end as {ends:?}"
                );
            }
        }
    }

    #[test]
    fn an_order_that_nobody_paid_must_not_end_paid() {
        for (scenario, late) in everybody().flat_map(|s| policies().map(|p| (s, p))) {
            let ends = allowed(scenario, Deeds::default(), late);
            assert!(!ends.contains(&End::Paid), "{scenario:?} cannot be paid by nobody");
            assert!(!ends.contains(&End::Wrong), "{scenario:?} must end");
        }
    }

    #[test]
    fn late_money_does_as_the_shop_wants_it() {
        let attempt = Attempt::Captured(Timing::AfterTheEnd);
        let deeds = Deeds { attempt, ..Deeds::default() };
        let ends = |late| allowed(Scenario::PaidTooLate, deeds, under(late));
        assert_eq!(ends(LateMoney::RereserveThenFulfil), [End::Paid]);
        assert_eq!(ends(LateMoney::AlwaysRefund), [End::ExpiredRefunded]);
    }
}
