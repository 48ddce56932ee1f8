//! Whether the scenarios leave anything out: every activity of the shop, and every kind of point
//! that the engine has, is one at which some worker dies.

use std::collections::BTreeSet;
use std::path::Path;

use gateway_sandbox::RefundMode;
use makegood::testkit::{Kit, Result};

use crate::checkout::Path as Checkout;
use crate::counter::{fresh_shop, registry};
use crate::late_payment::Money;
use crate::nightly::all_met;
use crate::payouts::Unknown;
use crate::reconcile::Lost;
use crate::refund::{ByHand, ComesBack, Way};

/// Activities that no scenario calls, each with what tries it instead.
const ELSEWHERE: &[(&str, &str)] = &[
    // It is there to stop for a person, whom a scenario does not have.
    ("ask_person", "tests/tests/late_money.rs"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_activity_of_the_shop_is_called_by_a_scenario() -> Result<()> {
    let mut called = BTreeSet::new();
    for path in [Checkout::Paid, Checkout::Authorized, Checkout::Forgotten, Checkout::Cancelled] {
        called.extend(Kit::of(path).calls().await?);
    }
    for money in [Money::Returned, Money::ReturnedSlowly, Money::Kept, Money::TooLate] {
        called.extend(Kit::of(money).calls().await?);
    }
    for way in [Way::AtOnce, Way::AfterDays, Way::Failed] {
        called.extend(Kit::of(way).calls().await?);
    }
    called.extend(Kit::of(ComesBack).calls().await?);
    called.extend(Kit::of(ByHand).calls().await?);
    called.extend(Kit::of(Lost).calls().await?);
    called.extend(Kit::of(Unknown).calls().await?);
    let place = fresh_shop(RefundMode::Processed).await?;
    let all: BTreeSet<String> = registry(&place)?.activity_names().into_iter().collect();
    let elsewhere: BTreeSet<String> =
        ELSEWHERE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let left_out: BTreeSet<&String> = all.difference(&called).collect();
    assert_eq!(left_out, elsewhere.iter().collect(), "what no scenario calls is tried elsewhere");
    Ok(())
}

/// The words before the activity of every point in the engine's code.
fn kinds_of_point(folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            kinds_of_point(&path, found)?;
            continue;
        }
        let code = std::fs::read_to_string(&path)?;
        let points =
            code.split("fault::point(\"").skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(points.map(str::to_owned));
    }
    Ok(())
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_dies_at_each_kind_of_point_that_the_engine_has() -> Result<()> {
    // A run with a child, calls outside, transactions and batches comes to all of them.
    let report = Kit::of(Money::Kept).dies_at_each_point().await?;
    all_met(&report);
    let mut kinds = BTreeSet::new();
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/src");
    kinds_of_point(&engine, &mut kinds)?;
    assert!(kinds.len() >= 10, "the points are found: {kinds:?}");
    let missed =
        kinds.iter().filter(|kind| !report.points().iter().any(|at| at.starts_with(*kind)));
    assert_eq!(missed.collect::<Vec<_>>(), [""; 0], "no kind of point is left out");
    Ok(())
}
