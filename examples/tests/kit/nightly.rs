//! What takes its time: a worker that stands still at each point, and two that are struck, at each
//! pair of points. `cargo test -p makegood-examples --test kit -- --ignored` tries all.

use makegood::testkit::{Kit, Report, Result, Scenario};

use crate::{fan_out, onboarding, trip};

/// A point that was not met again is one that a run comes to again and again, as often as the clock
/// has it; whatever it comes to once it comes to in each world.
fn all_met(report: &Report) {
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
    an_order_that_all_warehouses_send: fan_out::Path::Shipped,
    an_order_that_one_cannot_send: fan_out::Path::Short,
    a_newcomer_who_verifies: onboarding::Path::Verifies,
    a_silent_newcomer: onboarding::Path::IsSilent,
    a_paid_trip: trip::Path::Paid,
    a_trip_that_is_too_dear: trip::Path::TooDear,
}
