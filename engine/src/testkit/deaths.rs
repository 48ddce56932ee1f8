//! The checks with worker processes: one dies, or stands still, at each point; another goes on.

use std::collections::BTreeSet;
use std::fmt;

use futures::{StreamExt, TryStreamExt, stream};

use super::kit::Kit;
use super::plan::Target;
use super::report::{Broken, Check, Report};
use super::scenario::{Result, Scenario};
use super::scene::{COMPENSATED, Seen};
use super::succession::{Blow, Strike};

const DIES: Check = Check {
    name: "dies at each point",
    promise: "a run whose worker dies, before or after any commit or effect, is carried by another \
              one to the end that it has without a crash",
};

const STOPPED: Check = Check {
    name: "stopped at each point",
    promise: "a worker that stands still past its lease is taken over, and writes nothing when it \
              goes on",
};

const TWICE: Check = Check {
    name: "struck twice",
    promise: "a run whose worker is killed, or stands still past its lease, and then the next one \
              too, is carried by a third to the end that it has without",
};

/// Fault points of one run, and what went wrong besides.
struct Point {
    strikes: Vec<Strike>,
    refused: Option<Target>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.strikes[..] {
            [Strike { at, .. }] => f.write_str(at)?,
            strikes => {
                let strikes: Vec<String> = strikes.iter().map(Strike::to_string).collect();
                f.write_str(&strikes.join(", then "))?;
            }
        }
        match &self.refused {
            None => Ok(()),
            Some(Target { activity, call, .. }) => {
                write!(f, ", {activity}#{call} being refused")
            }
        }
    }
}

/// What a run comes to, undisturbed and on its way back.
struct Ways {
    there: Vec<String>,
    /// What is new on its way back, why it turns, and how it ends then.
    back: Vec<String>,
    refused: Option<Target>,
    unwound: Option<Seen>,
}

impl<S: Scenario> Kit<S> {
    /// A worker process dies, as by SIGKILL, at each point that an undisturbed run comes to, before
    /// and after each commit and each effect; another process carries the run to its end. If the
    /// scenario reaches its goal, so does one whose pivot, or last step, is refused, on its way back.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).dies_at_each_point().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run does not end as it does without a crash.
    pub async fn dies_at_each_point(&self) -> std::result::Result<Report, Broken> {
        self.enter().await;
        let wanted = self.undisturbed(DIES).await?;
        let ways = self.ways(DIES).await?;
        let killed = |at: &String, refused: Option<&Target>| Point {
            strikes: vec![Strike::new(Blow::Killed, at)],
            refused: refused.cloned(),
        };
        let there = ways.there.iter().map(|at| killed(at, None));
        let back = ways.back.iter().map(|at| killed(at, ways.refused.as_ref()));
        let points: Vec<Point> = there.chain(back).collect();
        self.sweep(DIES, &points, async |point| {
            let like = ways.unwound.as_ref().filter(|_| point.refused.is_some());
            self.strike(point.refused.as_slice(), &point.strikes, like.unwrap_or(&wanted.seen))
                .await
        })
        .await
    }

    /// The points of a run in a worker process. If the scenario reaches its goal, so are those of
    /// one whose pivot, or last step, is refused.
    async fn ways(&self, check: Check) -> std::result::Result<Ways, Broken> {
        let wanted = self.undisturbed(check).await?;
        let there = self.points_reached(&[], &[]).await;
        let (there, _) = there.map_err(|e| self.broken(check, "a run that nobody kills", &*e))?;
        let refused = match wanted.seen.state.as_str() {
            COMPENSATED => None,
            _ => self.last_refusal(wanted),
        };
        let Some(target) = refused.as_ref() else {
            return Ok(Ways { there, back: Vec::new(), refused, unwound: None });
        };
        let back = self.points_reached(std::slice::from_ref(target), &[]).await;
        let (mut back, seen) = back.map_err(|e| self.broken(check, "a run made good", &*e))?;
        let passed: BTreeSet<&String> = there.iter().collect();
        back.retain(|point| !passed.contains(point));
        Ok(Ways { there, back, refused, unwound: Some(seen) })
    }

    /// A worker process stops, as by SIGSTOP, at each point that an undisturbed run comes to; when
    /// its lease has run out, another one carries the run to its end; then the first goes on.
    ///
    /// Takes a second or two a point. A run that is made good is not stopped before a call: one
    /// that is late by more than a lease may come after its undo, and only the other side can
    /// refuse it.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).stopped_at_each_point().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run does not end as undisturbed, or when its record changes after the first worker
    /// went on.
    pub async fn stopped_at_each_point(&self) -> std::result::Result<Report, Broken> {
        self.enter().await;
        let wanted = self.undisturbed(STOPPED).await?;
        let reached = self.points_reached(&[], &[]).await;
        let (reached, _) = reached.map_err(|e| self.broken(STOPPED, "an undisturbed run", &*e))?;
        let may_stop = |at: &&String| may_stop(&wanted.seen, at);
        let points: Vec<Point> = reached
            .iter()
            .filter(may_stop)
            .map(|at| Point { strikes: vec![Strike::new(Blow::Stopped, at)], refused: None })
            .collect();
        self.sweep(STOPPED, &points, async |point| {
            self.strike(&[], &point.strikes, &wanted.seen).await
        })
        .await
    }

    /// A worker process is killed, or stops, at each point that a run comes to, on its way there
    /// and back; the next one is, too, at each point that it comes to; a third one carries the run
    /// to its end.
    ///
    /// Many pairs, and each takes a second or two: something for the night. Of the four ways in
    /// which two can be struck each pair is tried in one; `night` says which, so that four nights
    /// try all.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).struck_twice(1).await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run does not end as it does otherwise.
    pub async fn struck_twice(&self, night: usize) -> std::result::Result<Report, Broken> {
        self.enter().await;
        let wanted = self.undisturbed(TWICE).await?;
        let ways = self.ways(TWICE).await?;
        let there = ways.there.iter().map(|at| (at, None));
        let firsts = there.chain(ways.back.iter().map(|at| (at, ways.refused.as_ref())));
        let pairs = stream::iter(firsts.enumerate()).map(async |(number, (at, refused))| {
            let like = ways.unwound.as_ref().filter(|_| refused.is_some());
            let seen = like.unwrap_or(&wanted.seen);
            self.seconds(at, refused, seen, night.wrapping_add(number)).await
        });
        let pairs: Result<Vec<Vec<Point>>> = pairs.buffer_unordered(self.lanes).try_collect().await;
        let pairs = pairs.map_err(|e| self.broken(TWICE, "a run with one dead worker", &*e))?;
        let points: Vec<Point> = pairs.into_iter().flatten().collect();
        self.sweep(TWICE, &points, async |point| {
            let like = ways.unwound.as_ref().filter(|_| point.refused.is_some());
            self.strike(point.refused.as_slice(), &point.strikes, like.unwrap_or(&wanted.seen))
                .await
        })
        .await
    }

    /// The pairs that begin at this point.
    async fn seconds(
        &self,
        at: &str,
        refused: Option<&Target>,
        seen: &Seen,
        turn: usize,
    ) -> Result<Vec<Point>> {
        use Blow::{Killed, Stopped};
        let targets: Vec<Target> = refused.cloned().into_iter().collect();
        let (then, _) = self.points_reached(&targets, &[Strike::new(Killed, at)]).await?;
        let ways = [(Killed, Killed), (Stopped, Killed), (Killed, Stopped), (Stopped, Stopped)];
        let mut ways = ways.into_iter().cycle().skip(turn % ways.len());
        let pairs = then.iter().filter_map(|second| {
            let (one, other) = ways.next()?;
            let blow = |blow, at: &str| if may_stop(seen, at) { blow } else { Killed };
            let first = Strike::new(blow(one, at), at);
            let second = Strike::new(blow(other, second), second);
            Some(Point { strikes: vec![first, second], refused: refused.cloned() })
        });
        Ok(pairs.collect())
    }
}

/// A call that is late by more than a lease may come after its undo: only the other side can refuse
/// it then.
fn may_stop(seen: &Seen, at: &str) -> bool {
    seen.state != COMPENSATED || !at.starts_with("before the call of")
}
