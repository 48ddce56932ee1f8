//! A newcomer's first week: an account, a welcome, and an answer; or no account after all.
//!
//! What it teaches: waiting for whichever signal comes first, timers of days that cost a row and no
//! memory, state that others can read, and a change to a program that has runs under way.

mod accounts;

use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::{Ctx, First, Registry, Signal, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::accounts::{ActivateAccount, OpenAccount, RemoveAccount};
use crate::messages::{Message, SendMessage};
use crate::outside;

/// Carries a newcomer to an active account, or to none.
pub struct Onboarding;

impl Workflow for Onboarding {
    const NAME: &'static str = "onboarding";
    type Input = Newcomer;
    type Output = Welcomed;

    async fn run(ctx: Ctx, newcomer: Newcomer) -> WorkflowResult<Welcomed> {
        let began = ctx.now(); // the database's clock, recorded: the same on each replay
        ctx.step::<OpenAccount>(&newcomer).undo::<RemoveAccount>().await?;
        ctx.publish(PROGRESS, &Progress::Waiting);
        ctx.step::<SendMessage>(&newcomer.message("welcome")).await?;

        let mut answer = first_answer(&ctx, began + newcomer.patience.remind_after).await?;
        if answer.is_none() {
            // Reminders came with a later release. A run that had passed this line before goes on
            // without: what its record does not hold is never asked of it.
            if ctx.version("remind", 1) >= 1 {
                ctx.publish(PROGRESS, &Progress::Reminded);
                ctx.step::<SendMessage>(&newcomer.message("reminder")).await?;
            }
            answer = first_answer(&ctx, began + newcomer.patience.give_up_after).await?;
        }

        match answer {
            Some(Answer::Verified) => {}
            Some(Answer::Declined { why }) => return ctx.make_good(Reason::Declined { why }),
            None => return ctx.make_good(Reason::Silence),
        }
        let ((), ctx) = ctx.pivot::<ActivateAccount>(&newcomer.user_id).await?;
        ctx.publish(PROGRESS, &Progress::Active);
        ctx.step::<SendMessage>(&newcomer.message("all_set")).await?;
        Ok(Welcomed { user_id: newcomer.user_id, since: ctx.now() })
    }
}

/// The first of two kinds of signal; `None` when the time passes without either.
async fn first_answer(ctx: &Ctx, until: DateTime<Utc>) -> WorkflowResult<Option<Answer>> {
    let verified = ctx.signal::<Verified>().until(until);
    let declined = ctx.signal::<Declined>().until(until);
    Ok(match ctx.first(verified, declined).await {
        First::Left(verified) => verified?.map(|Verified {}| Answer::Verified),
        First::Right(declined) => declined?.map(|Declined { why }| Answer::Declined { why }),
    })
}

enum Answer {
    Verified,
    Declined { why: String },
}

/// Who comes: the input of an [`Onboarding`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomer {
    /// The account to be.
    pub user_id: Uuid,
    /// Where messages go.
    pub email: String,
    /// How long an answer is awaited. A setting that a run goes by belongs into its input, for its
    /// next worker may have another.
    pub patience: Patience,
}

/// How long an answer is awaited, counted from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// When the newcomer is reminded.
    pub remind_after: Duration,
    /// When the account is given up.
    pub give_up_after: Duration,
}

impl Default for Patience {
    /// A day, and a week.
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self { remind_after: day, give_up_after: day * 7 }
    }
}

/// The address is the newcomer's own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verified {}

impl Signal for Verified {
    const KIND: &'static str = "verified";
}

/// Somebody does not want the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Declined {
    /// Why, in words.
    pub why: String,
}

impl Signal for Declined {
    const KIND: &'static str = "declined";
}

/// The key of what a run shows of itself: a [`Progress`].
pub const PROGRESS: &str = "progress";

/// How far it is, for whoever asks with [`makegood::Client::published`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The welcome is sent, or about to be; an answer is awaited.
    Waiting,
    /// So is the reminder.
    Reminded,
    /// The account is active.
    Active,
}

/// Why an onboarding chose to be made good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The newcomer does not want to come.
    Declined {
        /// Why, in words.
        why: String,
    },
    /// Nobody answered in time.
    Silence,
}

/// An active account: the output of an [`Onboarding`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcomed {
    /// The account.
    pub user_id: Uuid,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Newcomer {
    fn message(&self, what: &str) -> Message {
        Message { what: what.to_owned(), to: self.email.clone() }
    }
}

/// Adds the onboarding and its activities to what a worker knows.
pub fn register(registry: Registry, outside: &outside::Client) -> Registry {
    registry
        .workflow::<Onboarding>()
        .activity(OpenAccount)
        .activity(RemoveAccount)
        .activity(ActivateAccount)
        .activity(SendMessage(outside.clone()))
}
