//! The check with signals: what the outside says, it may say early, twice and late.

use std::collections::BTreeSet;

use super::kit::Kit;
use super::plan::Plan;
use super::report::{Broken, Check, Report};
use super::scenario::{Result, Scenario};
use super::scene::End;
use super::stage::Stage;
use super::sweep::Tried;
use crate::action::StoredSignal;
use crate::store::testkit as sql;

const SIGNALS: Check = Check {
    name: "undisturbed by signals twice, early and late",
    promise: "a signal that comes before its time, again, or after the end changes nothing",
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before the run is claimed for the first time.
    Early,
    /// As soon as it has come.
    Twice,
    /// After the end.
    Late,
}

impl When {
    fn word(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Twice => "twice",
            Self::Late => "late",
        }
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "every signal {}", self.word())
    }
}

impl<S: Scenario> Kit<S> {
    /// The signals of an undisturbed run come before the run is claimed, twice, and once more after
    /// its end: under the same ids, and, if [`Scenario::is_repeated`], under others.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).undisturbed_by_signals_twice_early_and_late().await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the outcome is not that of an undisturbed run.
    pub async fn undisturbed_by_signals_twice_early_and_late(
        &self,
    ) -> std::result::Result<Report, Broken> {
        self.enter().await;
        let wanted = self.undisturbed(SIGNALS).await?;
        let points: &[When] = match wanted.signals.as_slice() {
            [] => &[],
            _ => &[When::Early, When::Twice, When::Late],
        };
        self.sweep(SIGNALS, points, async |when| {
            let scene = self.open().await?;
            if *when == When::Early {
                for signal in wanted.signals.iter().filter(|s| self.scenario.is_repeated(&s.kind)) {
                    self.send(&scene.stage, signal.clone()).await?;
                }
            }
            let mut known = BTreeSet::new();
            let plan = Plan::new(Vec::new());
            let again = async |stage: &Stage| {
                if *when == When::Twice { self.repeat(stage, &mut known).await } else { Ok(()) }
            };
            self.in_process(&scene, &plan, End::AsDriven, again).await?;
            if *when == When::Late {
                self.repeat(&scene.stage, &mut known).await?;
                self.in_process(&scene, &plan, End::Undriven, async |_| Ok(())).await?;
            }
            scene.look().await?.is_like(&wanted.seen)?;
            Ok(Tried::Held)
        })
        .await
    }

    /// Whether the scenario's run takes any signal.
    pub(crate) async fn takes_signals(&self) -> std::result::Result<bool, Broken> {
        Ok(!self.undisturbed(SIGNALS).await?.signals.is_empty())
    }

    /// Sends every signal that the run has once more, but for those that are known.
    async fn repeat(&self, stage: &Stage, known: &mut BTreeSet<String>) -> Result<()> {
        let mut conn = stage.pool().acquire().await?;
        let signals = sql::signals_of(&mut conn, stage.run_id()).await?;
        drop(conn);
        for signal in signals {
            if !known.insert(signal.id.clone()) {
                continue;
            }
            self.send(stage, signal.clone()).await?;
            if self.scenario.is_repeated(&signal.kind) {
                let id = format!("{}-again", signal.id);
                known.insert(id.clone());
                self.send(stage, StoredSignal { id, ..signal }).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, stage: &Stage, signal: StoredSignal) -> Result<()> {
        let mut tx = stage.pool().begin().await?;
        stage.client().deliver::<S::Saga>(&mut tx, stage.workflow_id(), signal).await?;
        tx.commit().await?;
        stage.client().wake();
        Ok(())
    }
}
