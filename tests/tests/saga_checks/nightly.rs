//! What takes its time: each scenario with a worker that stands still at each point, and with two
//! that are struck, at each pair of points. `cargo test -p makegood-tests --test saga_checks --
//! --ignored` tries all; `MAKEGOOD_NIGHT=1`, 2 and 3 strike the pairs in the other ways.

use makegood::testkit::{Kit, Report, Result, Scenario};

use crate::checkout::Path;
use crate::late_payment::Money;
use crate::payouts::Unknown;
use crate::reconcile::Lost;
use crate::refund::{ByHand, ComesBack, Way};

/// A point that was not met again is one that a run comes to again and again, as often as the clock
/// has it; whatever it comes to once it comes to in each world.
pub(crate) fn all_met(report: &Report) {
    let again = |at: &String| at.split('#').skip(1).any(|number| !number.starts_with('1'));
    let missed: Vec<_> = report.missed().iter().filter(|at| !again(at)).collect();
    assert!(missed.is_empty(), "a point that is missed is not tried: {missed:#?}");
}

async fn may_stand_still(scenario: impl Scenario) -> Result<()> {
    all_met(&Kit::of(scenario).stopped_at_each_point().await?);
    Ok(())
}

async fn may_be_struck_twice(scenario: impl Scenario) -> Result<()> {
    let night = std::env::var("MAKEGOOD_NIGHT").ok().and_then(|night| night.parse().ok());
    all_met(&Kit::of(scenario).struck_twice(night.unwrap_or_default()).await?);
    Ok(())
}

macro_rules! nightly {
    ($($name:ident: $scenario:expr,)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "takes minutes"]
            async fn a_worker_may_stand_still_at_each_point() -> Result<()> {
                may_stand_still($scenario).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "takes many minutes"]
            async fn two_workers_may_be_struck_at_each_pair_of_points() -> Result<()> {
                may_be_struck_twice($scenario).await
            }
        }
    )*};
}

nightly! {
    a_paid_checkout: Path::Paid,
    a_checkout_that_captures: Path::Authorized,
    a_forgotten_checkout: Path::Forgotten,
    a_checkout_with_a_forged_proof: Path::Forged,
    a_cancelled_checkout: Path::Cancelled,
    late_money_that_returns: Money::Returned,
    late_money_that_returns_slowly: Money::ReturnedSlowly,
    late_money_that_is_kept: Money::Kept,
    late_money_without_stock: Money::TooLate,
    a_refund_at_once: Way::AtOnce,
    a_refund_after_days: Way::AfterDays,
    a_refund_that_is_reported: Way::Reported,
    a_refund_that_fails: Way::Failed,
    a_refund_that_comes_back: ComesBack,
    a_refund_by_hand: ByHand,
    a_lost_payment: Lost,
    an_unknown_payout: Unknown,
}
