//! The checks within one process: activities that are repeated, refused, or fail.

use std::collections::BTreeSet;

use super::kit::Kit;
use super::plan::{Disturbance, Target};
use super::report::{Broken, Check, Report};
use super::scenario::{Refusal, Scenario};
use super::scene::{COMPENSATED, End, Seen};
use super::survey::Survey;
use super::sweep::Tried;

const RUNS: Check = Check {
    name: "runs",
    promise: "an undisturbed run comes to its end, and two of them to the same one",
};

const REPEATS: Check = Check {
    name: "repeats each step",
    promise: "a step that is done again, since its answer was lost, has the effect of one",
};

const FAILS: Check = Check {
    name: "fails at each step",
    promise: "a run whose step is refused before the pivot leaves a clean slate, and one whose step \
              fails for a while behind it still reaches its goal",
};

const UNDO_FAILS: Check = Check {
    name: "each undo fails once",
    promise: "an undo that fails once, or whose answer is lost, still leaves a clean slate",
};

impl<S: Scenario> Kit<S> {
    /// An undisturbed run comes to its end, twice with the same outcome; if it is made good, the
    /// slate is clean.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).runs().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it does not.
    pub async fn runs(&self) -> Result<Report, Broken> {
        self.enter().await;
        let first = self.undisturbed(RUNS).await?;
        self.sweep(RUNS, &["an undisturbed run"], async |_| {
            let second = self.survey(Vec::new(), End::AsDriven).await?;
            second.seen.is_like(&first.seen)?;
            Ok(Tried::Held)
        })
        .await
    }

    /// Each activity outside is done and its answer is lost, so that it is looked up and called
    /// again with the same key; each transaction is rolled back after its SQL ran, and run again.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).repeats_each_step().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the outcome is not that of an undisturbed run.
    pub async fn repeats_each_step(&self) -> Result<Report, Broken> {
        self.enter().await;
        let survey = self.undisturbed(REPEATS).await?;
        let lost = survey.answered().map(|made| vec![made.going(Disturbance::AnswerLost)]);
        let points: Vec<_> = lost.collect();
        let judge = |_: &Target, seen: &Seen| seen.is_like(&survey.seen);
        self.disturb(REPEATS, &points, End::AsDriven, judge).await
    }

    /// Each step up to the pivot is refused in turn: the run is made good and the slate is clean.
    /// Each step behind the pivot fails for a while: the outcome is that of an undisturbed run.
    ///
    /// A step that never refuses, by [`Scenario::refused`], fails for a while wherever it stands.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).fails_at_each_step().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is not so.
    pub async fn fails_at_each_step(&self) -> Result<Report, Broken> {
        self.enter().await;
        let survey = self.undisturbed(FAILS).await?;
        let refusal = |activity: &str| self.scenario.refused(activity);
        let points: Vec<_> = survey
            .steps()
            .map(|step| {
                if !step.past_pivot && refusal(step.made.activity) != Refusal::Never {
                    return vec![step.made.going(Disturbance::Refused)];
                }
                let times = step.made.max_attempts.saturating_sub(1).clamp(1, 2);
                vec![step.made.going(Disturbance::Fails(times))]
            })
            .collect();
        self.disturb(FAILS, &points, End::Early, |target, seen| {
            match (target.disturbance, refusal(&target.activity)) {
                (Disturbance::Refused, Refusal::GoesOn) => Ok(()),
                (Disturbance::Refused, _) => seen.is_made_good(),
                (_, _) => seen.is_like(&survey.seen),
            }
        })
        .await
    }

    /// A run that is made good meets a failure at each of its undos, and at its closing, before and
    /// after the effect. If the scenario reaches its goal, its pivot, or else its last step that
    /// may be, is refused.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).each_undo_fails_once().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the slate is not clean, or the outcome another one than without the failure.
    pub async fn each_undo_fails_once(&self) -> Result<Report, Broken> {
        self.enter().await;
        let (refused, unwound) = self.unwound().await?;
        let points: Vec<Vec<Target>> = unwound
            .undos()
            .flat_map(|made| {
                [Disturbance::Fails(1), Disturbance::AnswerLost].map(|how| (made, how))
            })
            .map(|(made, how)| refused.iter().cloned().chain([made.going(how)]).collect())
            .collect();
        let end = if refused.is_empty() { End::AsDriven } else { End::Early };
        self.disturb(UNDO_FAILS, &points, end, |_, seen| {
            seen.is_made_good()?;
            seen.is_like(&unwound.seen)
        })
        .await
    }

    /// Whether a run of the scenario that is made good undoes anything.
    pub(crate) async fn unwinds(&self) -> Result<bool, Broken> {
        let (_, unwound) = self.unwound().await?;
        Ok(unwound.undos().next().is_some())
    }

    /// The activities that runs of the scenario call, undisturbed and made good: together, those of
    /// all scenarios should be all that there are.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// assert!(Kit::of(scenario).calls().await?.contains("charge"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a run does not come to its end.
    pub async fn calls(&self) -> Result<BTreeSet<String>, Broken> {
        let (_, unwound) = self.unwound().await?;
        let made = self.undisturbed(RUNS).await?.made.iter().chain(&unwound.made);
        Ok(made.map(|made| made.activity.to_owned()).collect())
    }

    /// A run that is made good, and the refusal that it takes.
    async fn unwound(&self) -> Result<(Vec<Target>, Survey), Broken> {
        let undisturbed = self.undisturbed(UNDO_FAILS).await?;
        let refused: Vec<Target> = match undisturbed.seen.state.as_str() {
            COMPENSATED => Vec::new(),
            _ => self.last_refusal(undisturbed).into_iter().collect(),
        };
        let end = if refused.is_empty() { End::AsDriven } else { End::Early };
        let unwound = self.survey(refused.clone(), end).await;
        let unwound = unwound.map_err(|e| self.broken(UNDO_FAILS, "a run made good", &*e))?;
        Ok((refused, unwound))
    }
}
