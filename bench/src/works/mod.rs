//! The programs that are measured, and the code that a worker needs to drive them.

mod checkout_shaped;
mod decide;
mod slow;
mod steps4;
mod timer;

use std::time::Duration;

use activities::orders::CloseOrder;
use activities::stock::ReserveStock;
use makegood::{Activity, ActivityResult, Attempt, Outside, Registry, Workflow};

pub(crate) use self::checkout_shaped::{CheckoutShaped, Go};
pub(crate) use self::decide::Decide;
pub(crate) use self::slow::Slow;
use self::slow::SlowCall;
pub(crate) use self::steps4::Steps4;
pub(crate) use self::timer::Timer;

/// About 300 bytes as JSON.
const INPUT_LENGTH: usize = 298;
/// About 100 bytes as JSON; the signal of a checkout has as many.
const OUTPUT_LENGTH: usize = 98;

/// A program that does nothing, durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Four outside steps.
    Steps4,
    /// Three outside steps, a signal, and one outside step.
    CheckoutShaped,
}

impl Work {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps4 => "steps4",
            Self::CheckoutShaped => "checkout-shaped",
        }
    }

    /// Calls of activities in one run.
    pub fn steps(self) -> u64 {
        4
    }

    /// What each of its runs answers: the length of all that was said to it.
    pub(crate) fn answer(self) -> usize {
        match self {
            Self::Steps4 => 4 * OUTPUT_LENGTH,
            Self::CheckoutShaped => 5 * OUTPUT_LENGTH,
        }
    }

    /// Its name among workflows.
    pub(crate) fn workflow(self) -> &'static str {
        match self {
            Self::Steps4 => Steps4::NAME,
            Self::CheckoutShaped => CheckoutShaped::NAME,
        }
    }
}

/// All code that is measured, for a worker whose slow calls take so long.
pub fn registry(slow: Duration) -> Registry {
    Registry::new()
        .workflow::<Steps4>()
        .workflow::<CheckoutShaped>()
        .workflow::<Timer>()
        .workflow::<Slow>()
        .workflow::<Decide>()
        .activity(Nothing)
        .activity(SlowCall(slow))
        .activity(ReserveStock)
        .activity(CloseOrder)
}

/// What each run is started with.
pub(crate) fn input() -> String {
    "i".repeat(INPUT_LENGTH)
}

/// Does nothing outside, durably: its intent is recorded before it is called.
struct Nothing;

impl Activity for Nothing {
    const NAME: &'static str = "bench_nothing";
    type Kind = Outside;
    type Input = ();
    type Output = String;

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<String> {
        Ok("o".repeat(OUTPUT_LENGTH))
    }
}

/// How long a run waits for its signal: longer than any measurement takes.
const PATIENCE: Duration = Duration::from_hours(24);
