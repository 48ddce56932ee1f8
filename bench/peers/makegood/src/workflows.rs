//! The work as Makegood's workflows. Each step is an activity outside: its intent is durable before
//! it is tried.

use std::time::Duration;

use makegood::{
    Activity, ActivityResult, Attempt, Ctx, Outside, Registry, Signal, Workflow, WorkflowResult,
};
use protocol::{Input, RESULT};
use serde::{Deserialize, Serialize};

pub(crate) struct Steps4;

impl Workflow for Steps4 {
    const NAME: &'static str = "steps4";
    type Input = Input;
    type Output = String;

    async fn run(ctx: Ctx, input: Input) -> WorkflowResult<String> {
        ctx.step::<Reserve>(&()).await?;
        ctx.step::<Quote>(&()).await?;
        ctx.step::<Charge>(&()).await?;
        ctx.step::<Ship>(&()).await?;
        Ok(input.order_id)
    }
}

pub(crate) struct Checkout;

impl Workflow for Checkout {
    const NAME: &'static str = "checkout";
    type Input = Input;
    type Output = String;

    async fn run(ctx: Ctx, input: Input) -> WorkflowResult<String> {
        ctx.step::<Reserve>(&()).await?;
        ctx.step::<Quote>(&()).await?;
        ctx.step::<Charge>(&()).await?;
        let Some(Paid(_)) = ctx.signal::<Paid>().within(Duration::from_mins(1)).await? else {
            return ctx.make_good("nobody paid");
        };
        ctx.step::<Ship>(&()).await?;
        Ok(input.order_id)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Paid(pub(crate) String);

impl Signal for Paid {
    const KIND: &'static str = "paid";
}

/// Steps that do nothing, each an activity with a name of its own.
macro_rules! nothing {
    ($($activity:ident = $name:literal),+) => {
        $(
            struct $activity;

            impl Activity for $activity {
                const NAME: &'static str = $name;
                type Kind = Outside;
                type Input = ();
                type Output = String;

                async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<String> {
                    Ok(RESULT.to_owned())
                }
            }
        )+

        pub(crate) fn registry() -> Registry {
            Registry::new().workflow::<Steps4>().workflow::<Checkout>()$(.activity($activity))+
        }
    };
}

nothing!(Reserve = "reserve", Quote = "quote", Charge = "charge", Ship = "ship");
