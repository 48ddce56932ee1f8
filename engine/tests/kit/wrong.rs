//! Sagas with one thing wrong in each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Ctx, InTransaction, Late, LateSignal,
    Outside, Registry, Undoes, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::desk::{Fine, HandOver, Request, SetAside};
use crate::lending::{Fetched, registry};
use crate::paper::{LookForPaper, PrintLetter};
use crate::printer::ask;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bug {
    /// An undo forgets to put the copy back.
    ForgetsTheCopy,
    /// An effect outside that the other side cannot recognize.
    PrintsAnew,
    /// A transaction with an effect outside.
    PrintsInTransaction,
    /// A program that does not do the same again.
    HidesState,
    /// An undo that counts down once more when it is repeated.
    CountsDownTwice,
    /// Each signal is taken for news.
    FinesEachSignal,
    /// A signal after the end is taken for news.
    FinesLateSignals,
    /// A step that needs a person.
    NeedsAPerson,
    /// Nothing, but the outcome tells every run apart.
    NamesItself,
    /// Nothing, but the outside waits for something that never happens.
    IsWaitedForInVain,
}

/// A saga with a bug.
pub struct Wrong;

impl Workflow for Wrong {
    const NAME: &'static str = "wrong";
    type Input = (Bug, Request);
    type Output = ();

    async fn run(ctx: Ctx, (bug, request): (Bug, Request)) -> WorkflowResult<()> {
        let letter = "dear reader".to_owned();
        match bug {
            Bug::ForgetsTheCopy => {
                ctx.step::<SetAside>(&request).undo::<ForgetCopy>().await?;
                ctx.step::<HandOver>(&request).await?;
            }
            Bug::PrintsAnew => drop(ctx.step::<PrintAnew>(&letter).await?),
            Bug::PrintsInTransaction => drop(ctx.step::<PrintInside>(&letter).await?),
            Bug::HidesState => {
                if TURNED.fetch_not(Ordering::Relaxed) {
                    ctx.step::<LookForPaper>(&()).await?;
                }
                ctx.step::<PrintLetter>(&letter).await?;
            }
            Bug::CountsDownTwice => {
                ctx.step::<CountUp>(&()).undo::<CountDown>().await?;
                ctx.step::<HandOver>(&request).await?;
            }
            Bug::FinesEachSignal => {
                while ctx.signal::<Fetched>().within(Duration::from_hours(1)).await?.is_some() {
                    ctx.step::<Fine>(&request).await?;
                }
            }
            Bug::FinesLateSignals => {
                ctx.signal::<Fetched>().within(Duration::from_hours(1)).await?;
            }
            Bug::NeedsAPerson => ctx.step::<AskPerson>(&()).await?,
            Bug::NamesItself | Bug::IsWaitedForInVain => ctx.step::<HandOver>(&request).await?,
        }
        Ok(())
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<FineLate>())
    }
}

static TURNED: AtomicBool = AtomicBool::new(false);

/// Fines for a signal that came too late.
pub struct FineLate;

impl Workflow for FineLate {
    const NAME: &'static str = "fine_late";
    type Input = LateSignal<(Bug, Request)>;
    type Output = ();

    async fn run(ctx: Ctx, late: LateSignal<(Bug, Request)>) -> WorkflowResult<()> {
        ctx.step::<Fine>(&late.input.1).await
    }
}

pub fn wrong_registry(printer: &str) -> Registry {
    registry(printer)
        .workflow::<Wrong>()
        .workflow::<FineLate>()
        .activity(ForgetCopy)
        .activity(AskPerson)
        .activity(PrintAnew(printer.to_owned()))
        .activity(PrintInside(printer.to_owned()))
        .activity(CountUp(printer.to_owned()))
        .activity(CountDown(printer.to_owned()))
}

struct ForgetCopy;

impl Activity for ForgetCopy {
    const NAME: &'static str = "forget_copy";
    type Kind = InTransaction;
    type Input = Undoes<SetAside>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, taken: Undoes<SetAside>) -> ActivityResult<()> {
        let sql = "delete from loans where loan = $1";
        sqlx::query(sql).bind(&taken.input.loan).execute(tx).await?;
        Ok(())
    }
}

struct AskPerson;

impl Activity for AskPerson {
    const NAME: &'static str = "ask_person";
    type Kind = InTransaction;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut PgConnection, (): ()) -> ActivityResult<()> {
        Err(ActivityError::review("odd", "somebody must look"))
    }
}

struct PrintAnew(String);

impl Activity for PrintAnew {
    const NAME: &'static str = "print_anew";
    type Kind = Outside;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut Attempt, words: String) -> ActivityResult<()> {
        ask(&self.0, &format!("raw {words}")).await
    }
}

struct PrintInside(String);

impl Activity for PrintInside {
    const NAME: &'static str = "print_inside";
    type Kind = InTransaction;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut PgConnection, words: String) -> ActivityResult<()> {
        ask(&self.0, &format!("raw {words}")).await
    }
}

struct CountUp(String);

impl Activity for CountUp {
    const NAME: &'static str = "count_up";
    type Kind = Outside;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<()> {
        ask(&self.0, "count 1").await
    }
}

struct CountDown(String);

impl Activity for CountDown {
    const NAME: &'static str = "count_down";
    type Kind = Outside;
    type Input = Undoes<CountUp>;
    type Output = ();

    async fn run(&self, _: &mut Attempt, _: Undoes<CountUp>) -> ActivityResult<()> {
        ask(&self.0, "count -1").await
    }
}
