//! The desk's sagas pass every check, on each way through them.

use makegood::testkit::{Kit, Place, Refusal, Report, Result, Scenario, Stage};
use makegood::{Registry, RunState};

use crate::cell::fresh_desk;
use crate::desk::Request;
use crate::lending::{Fetched, Lend, Remind, registry};
use crate::printer::Printer;

/// Two copies of one book, and who wants it.
pub async fn fill(stage: &Stage) -> Result<Request> {
    let sql = "insert into books (title, copies) values ('Emma', 2)";
    sqlx::query(sql).execute(stage.pool()).await?;
    let (loan, reader) = (stage.workflow_id().to_owned(), "Ada".to_owned());
    Ok(Request { loan, reader, title: "Emma".to_owned() })
}

/// Copies, loans, accounts and paper: what a request that comes to nothing leaves as it was.
pub async fn slate(stage: &Stage) -> Result<Vec<String>> {
    let sql = "select title || ': ' || copies from books
               union all
               select reader || ' has ' || title || ' ' || state from loans
               union all
               select reader || ' paid ' || sum(cents) from ledger group by reader
               having sum(cents) <> 0";
    let mut lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(stage.pool()).await?;
    lines.extend(stage.place().kept::<Printer>()?.slips());
    Ok(lines)
}

/// And what it leaves behind: every booking, every notice.
pub async fn outcome(stage: &Stage) -> Result<Vec<String>> {
    let sql = "select why || ' ' || cents from ledger union all select text from notices";
    let mut lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(stage.pool()).await?;
    lines.extend(slate(stage).await?);
    Ok(lines)
}

/// How a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lending {
    IsFetched,
    IsForgotten,
}

impl Scenario for Lending {
    type Saga = Lend;

    fn name(&self) -> String {
        format!("lend {self:?}")
    }

    fn ends(&self) -> RunState {
        match self {
            Self::IsFetched => RunState::Completed,
            Self::IsForgotten => RunState::Compensated,
        }
    }

    async fn place(&self) -> Result<Place> {
        fresh_desk().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        Ok(registry(place.setting("printer")?))
    }

    async fn prepare(&self, stage: &Stage) -> Result<Request> {
        fill(stage).await
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        if *self == Self::IsFetched {
            stage.until_recorded("print_slip").await?;
            stage.signal::<Lend, _>("door", &Fetched).await?;
        }
        Ok(())
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        slate(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        outcome(stage).await
    }
}

struct Reminding;

impl Scenario for Reminding {
    type Saga = Remind;

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

    fn refused(&self, _: &str) -> Refusal {
        Refusal::Never
    }
}

fn counts(reports: &[Report]) -> Vec<usize> {
    for report in reports {
        assert!(report.missed().is_empty(), "every point is met again: {report}");
    }
    reports.iter().map(|report| report.points().len()).collect()
}

#[tokio::test]
async fn a_lent_book_keeps_the_promises_of_sagas() -> Result<()> {
    let reports = Kit::of(Lending::IsFetched).all().await?;
    let [runs, repeats, fails, undos, deaths, signals] = counts(&reports)[..] else {
        panic!("every check applies: {reports:#?}");
    };
    assert_eq!((runs, repeats, fails, undos, signals), (1, 5, 5, 8, 3), "at every point");
    assert!(deaths >= 20, "there and back: {deaths}");
    Ok(())
}

#[tokio::test]
async fn a_book_that_nobody_fetches_keeps_the_promises_of_sagas() -> Result<()> {
    let reports = Kit::of(Lending::IsForgotten).all().await?;
    let [runs, repeats, fails, undos, deaths] = counts(&reports)[..] else {
        panic!("every check applies but that for signals: {reports:#?}");
    };
    assert_eq!((runs, repeats, fails, undos), (1, 7, 3, 8), "at every point");
    assert!(deaths >= 15, "a worker died at every point: {deaths}");
    Ok(())
}

#[tokio::test]
async fn a_reminder_of_weeks_keeps_the_promises_of_sagas() -> Result<()> {
    let reports = Kit::of(Reminding).all().await?;
    let [runs, repeats, fails, deaths] = counts(&reports)[..] else {
        panic!("it undoes nothing and takes no signal: {reports:#?}");
    };
    assert_eq!((runs, repeats, fails), (1, 3, 3), "at every point");
    assert!(deaths >= 10, "a worker died at every point: {deaths}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_stands_still_while_a_book_is_lent_is_too_late() -> Result<()> {
    let report = Kit::of(Lending::IsFetched).lanes(6).stopped_at_each_point().await?;
    assert!(report.points().len() >= 12, "{report}");
    assert!(report.missed().is_empty(), "{report}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_stands_still_while_a_book_is_given_up_is_too_late() -> Result<()> {
    let report = Kit::of(Lending::IsForgotten).lanes(6).stopped_at_each_point().await?;
    assert!(report.points().len() >= 12, "{report}");
    assert!(report.missed().is_empty(), "{report}");
    Ok(())
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn two_workers_may_be_struck_while_a_reminder_waits_its_weeks() -> Result<()> {
    let report = Kit::of(Reminding).lanes(6).struck_twice(0).await?;
    assert!(report.points().len() >= 40, "{report}");
    assert!(report.missed().is_empty(), "{report}");
    Ok(())
}
