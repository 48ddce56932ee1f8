//! The desk's sagas: a book is lent, and a late reader is reminded.

use std::time::Duration;

use makegood::{Closing, Ctx, Registry, Signal, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::desk::{Fine, HandOver, Notice, PutBack, Request, ReturnDeposit, SetAside, TakeDeposit};
use crate::paper::{LookForPaper, PrintLetter, PrintSlip, VoidSlip};

const DAY: Duration = Duration::from_hours(24);

/// A copy is set aside for a week, against a deposit.
pub struct Lend;

/// The reader stands at the desk.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fetched;

impl Signal for Fetched {
    const KIND: &'static str = "fetched";
}

impl Workflow for Lend {
    const NAME: &'static str = "lend";
    type Input = Request;
    type Output = ();

    async fn run(ctx: Ctx, request: Request) -> WorkflowResult<()> {
        ctx.step::<SetAside>(&request).undo::<PutBack>().await?;
        ctx.step::<TakeDeposit>(&request).undo::<ReturnDeposit>().await?;
        ctx.step::<PrintSlip>(&request).undo::<VoidSlip>().await?;
        if ctx.signal::<Fetched>().within(7 * DAY).await?.is_none() {
            return ctx.make_good("nobody came");
        }
        let ((), ctx) = ctx.pivot::<HandOver>(&request).await?;
        ctx.step::<PrintLetter>(&format!("enjoy {}", request.title)).await?;
        Ok(())
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<Notice>())
    }
}

/// A reader is reminded after two weeks, and fined a week later.
pub struct Remind;

impl Workflow for Remind {
    const NAME: &'static str = "remind";
    type Input = Request;
    type Output = ();

    async fn run(ctx: Ctx, request: Request) -> WorkflowResult<()> {
        ctx.sleep(14 * DAY).await?;
        ctx.step::<LookForPaper>(&()).await?;
        ctx.step::<PrintLetter>(&format!("{} is due", request.title)).await?;
        ctx.sleep(7 * DAY).await?;
        ctx.step::<Fine>(&request).await?;
        Ok(())
    }
}

pub fn registry(printer: &str) -> Registry {
    Registry::new()
        .workflow::<Lend>()
        .workflow::<Remind>()
        .activity(SetAside)
        .activity(PutBack)
        .activity(TakeDeposit)
        .activity(ReturnDeposit)
        .activity(HandOver)
        .activity(Notice)
        .activity(Fine)
        .activity(PrintSlip(printer.to_owned()))
        .activity(VoidSlip(printer.to_owned()))
        .activity(PrintLetter(printer.to_owned()))
        .activity(LookForPaper(printer.to_owned()))
}
