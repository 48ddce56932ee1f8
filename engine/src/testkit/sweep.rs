//! A check's points, each tried in a world of its own, several side by side, and what came of it.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{FutureExt, StreamExt, stream};

use super::kit::Kit;
use super::plan::{Plan, Target};
use super::report::{Broken, Check, Fault, Report};
use super::scenario::{Result, Scenario};
use super::scene::{End, Seen};
use crate::run::panic_text;

/// After so many broken points the rest is not tried.
const ENOUGH: usize = 3;

/// How often a point is tried that the run passes by.
const TRIES: usize = 3;

/// What came of trying a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    Held,
    /// The run did not come to the point.
    Missed,
}

impl<S: Scenario> Kit<S> {
    /// Lets each of these calls go wrong in turn; `judge` says what becomes of the run.
    pub(crate) async fn disturb(
        &self,
        check: Check,
        points: &[Vec<Target>],
        end: End,
        judge: impl Fn(&Target, &Seen) -> Result<()>,
    ) -> std::result::Result<Report, Broken> {
        let points: Vec<Point<'_>> = points.iter().filter_map(|all| Point::of(all)).collect();
        self.sweep(check, &points, async |point| {
            let plan = Plan::new(point.all.to_vec());
            let scene = self.open().await?;
            self.in_process(&scene, &plan, end, async |_| Ok(())).await?;
            judge(point.last, &scene.look().await?)?;
            Ok(if plan.was_met() { Tried::Held } else { Tried::Missed })
        })
        .await
    }

    /// Tries each point, several side by side.
    pub(crate) async fn sweep<P: Display>(
        &self,
        check: Check,
        points: &[P],
        trial: impl AsyncFn(&P) -> Result<Tried>,
    ) -> std::result::Result<Report, Broken> {
        let broken = AtomicUsize::new(0);
        let tried = stream::iter(points.iter().enumerate()).map(async |(index, point)| {
            if broken.load(Ordering::Relaxed) >= ENOUGH {
                return (index, None);
            }
            let tried = try_out(point, &trial).await;
            broken.fetch_add(usize::from(tried.is_err()), Ordering::Relaxed);
            (index, Some((point.to_string(), tried)))
        });
        let mut tried: Vec<_> = tried.buffer_unordered(self.lanes).collect().await;
        tried.sort_by_key(|(index, _)| *index);
        let mut report = Report { title: self.title(check), ..Report::default() };
        let mut faults = Vec::new();
        for (point, tried) in tried.into_iter().filter_map(|(_, tried)| tried) {
            match tried {
                Ok(Tried::Held) => report.points.push(point),
                Ok(Tried::Missed) => report.missed.push(point),
                Err(error) => faults.push(Fault { point, why: error.to_string() }),
            }
        }
        if faults.is_empty() && report.points.is_empty() {
            let missed = report.missed.len();
            let why = format!("of {missed} points none was reached: nothing was checked");
            faults.push(Fault { point: "no point".to_owned(), why });
        }
        report.show();
        if faults.is_empty() {
            return Ok(report);
        }
        Err(Broken { title: report.title, promise: check.promise, faults })
    }
}

/// Tries a point, again if the run happens to pass it by.
async fn try_out<P>(point: &P, trial: impl AsyncFn(&P) -> Result<Tried>) -> Result<Tried> {
    for _ in 0..TRIES {
        let caught = AssertUnwindSafe(trial(point)).catch_unwind().await;
        let tried = caught.unwrap_or_else(|panic| Err(panic_text(&*panic).into()))?;
        if tried == Tried::Held {
            return Ok(Tried::Held);
        }
    }
    Ok(Tried::Missed)
}

/// Calls that go wrong together, told apart by the last.
struct Point<'a> {
    all: &'a [Target],
    last: &'a Target,
}

impl<'a> Point<'a> {
    fn of(all: &'a [Target]) -> Option<Self> {
        Some(Self { all, last: all.last()? })
    }
}

impl Display for Point<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.last.fmt(f)
    }
}
