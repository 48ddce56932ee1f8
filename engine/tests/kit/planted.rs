//! Each check finds the saga that was planted for it, and says what is wrong and where.

use std::time::Duration;

use makegood::Registry;
use makegood::testkit::{Broken, Kit, Place, Report, Result, Scenario, Stage};

use crate::cell::fresh_desk;
use crate::desk::Request;
use crate::lending::{Fetched, Lend, registry};
use crate::scenarios::{fill, outcome, slate};
use crate::wrong::{Bug, Wrong, wrong_registry};

impl Scenario for Bug {
    type Saga = Wrong;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    async fn place(&self) -> Result<Place> {
        fresh_desk().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        Ok(wrong_registry(place.setting("printer")?))
    }

    async fn prepare(&self, stage: &Stage) -> Result<(Bug, Request)> {
        Ok((*self, fill(stage).await?))
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        if *self == Self::IsWaitedForInVain {
            stage.until("something else happens", async || Ok(false)).await?;
        }
        if matches!(self, Self::FinesEachSignal | Self::FinesLateSignals) {
            stage.signal::<Wrong, _>("door", &Fetched).await?;
        }
        Ok(())
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        slate(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut lines = outcome(stage).await?;
        if *self == Self::NamesItself {
            lines.push(stage.workflow_id().to_owned());
        }
        Ok(lines)
    }
}

/// Means a book that is fetched, and sends nobody to fetch it.
struct Careless;

impl Scenario for Careless {
    type Saga = Lend;

    async fn place(&self) -> Result<Place> {
        fresh_desk().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        Ok(registry(place.setting("printer")?))
    }

    async fn prepare(&self, stage: &Stage) -> Result<Request> {
        fill(stage).await
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        slate(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        outcome(stage).await
    }
}

/// The check finds a fault whose point and whose words are these.
fn finds(checked: std::result::Result<Report, Broken>, point: &str, words: &str) {
    let broken = match checked {
        Err(broken) => broken,
        Ok(report) => panic!("the planted fault is found: {report}"),
    };
    let found = broken.faults().iter().any(|f| f.point == point && f.why.contains(words));
    assert!(found, "{point}, {words:?} is what is wrong in {broken}");
}

#[tokio::test]
async fn a_step_that_needs_a_person_does_not_run() {
    let checked = Kit::of(Bug::NeedsAPerson).runs().await;
    finds(checked, "an undisturbed run", "wrong is stuck at ask_person");
}

#[tokio::test]
async fn a_scenario_that_never_reaches_its_goal_is_found() {
    let checked = Kit::of(Careless).fails_at_each_step().await;
    finds(checked, "an undisturbed run", "it ends COMPENSATED because of {\"cause\":\"made_good\"");
}

#[tokio::test]
async fn an_outcome_that_no_two_runs_share_is_found() {
    let checked = Kit::of(Bug::NamesItself).runs().await;
    finds(checked, "an undisturbed run", "the outcome is another one");
}

#[tokio::test]
async fn an_outside_that_never_does_its_part_is_found() {
    let checked = Kit::of(Bug::IsWaitedForInVain).patience(Duration::from_secs(1)).runs().await;
    finds(checked, "an undisturbed run", "the outside is not done within 1s");
}

#[tokio::test]
async fn an_undo_that_forgets_something_is_found() {
    let checked = Kit::of(Bug::ForgetsTheCopy).fails_at_each_step().await;
    finds(checked, "hand_over#1: refused", "- Emma: 2\n+ Emma: 1");
}

#[tokio::test]
async fn an_effect_without_a_key_is_found_by_a_lost_answer() {
    let checked = Kit::of(Bug::PrintsAnew).repeats_each_step().await;
    finds(checked, "print_anew#1: done, and its answer lost", "+ printed: dear reader");
}

#[tokio::test]
async fn an_effect_without_a_key_is_found_by_a_death() {
    let checked = Kit::of(Bug::PrintsAnew).dies_at_each_point().await;
    finds(checked, "after the call of print_anew#1", "+ printed: dear reader");
}

#[tokio::test]
async fn an_effect_without_a_key_is_found_by_a_worker_that_stands_still() {
    let checked = Kit::of(Bug::PrintsAnew).stopped_at_each_point().await;
    finds(checked, "before the call of print_anew#1", "+ printed: dear reader");
}

#[tokio::test]
async fn an_effect_outside_in_a_transaction_is_found() {
    let checked = Kit::of(Bug::PrintsInTransaction).repeats_each_step().await;
    finds(checked, "print_inside#1: done, and its answer lost", "+ printed: dear reader");
}

#[tokio::test]
async fn a_program_with_hidden_state_is_found() {
    let checked = Kit::of(Bug::HidesState).lanes(1).repeats_each_step().await;
    finds(checked, "print_letter#1: done, and its answer lost", "non_determinism");
}

#[tokio::test]
async fn an_undo_that_cannot_be_repeated_is_found() {
    let checked = Kit::of(Bug::CountsDownTwice).each_undo_fails_once().await;
    finds(checked, "count_down#1: done, and its answer lost", "+ counted: -1");
}

#[tokio::test]
async fn a_signal_that_is_taken_twice_is_found() {
    let checked = Kit::of(Bug::FinesEachSignal).undisturbed_by_signals_twice_early_and_late().await;
    finds(checked, "every signal twice", "+ late 100");
}

#[tokio::test]
async fn a_signal_that_has_an_effect_after_the_end_is_found() {
    let checked =
        Kit::of(Bug::FinesLateSignals).undisturbed_by_signals_twice_early_and_late().await;
    finds(checked, "every signal late", "+ late 100");
}

#[tokio::test]
async fn a_check_that_reaches_nothing_fails() {
    let checked = Kit::of(Bug::PrintsAnew).undisturbed_by_signals_twice_early_and_late().await;
    finds(checked, "no point", "nothing was checked");
}

#[tokio::test]
async fn a_worker_that_comes_to_another_scenario_says_so() {
    let other = "planted::a_program_with_hidden_state_is_found";
    let checked = Kit::of(Bug::PrintsAnew).in_test(other).dies_at_each_point().await;
    finds(checked, "a run that nobody kills", "needs its own test");
}
