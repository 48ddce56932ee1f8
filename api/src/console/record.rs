//! What somebody does in the console, or is refused, for the audit. A verb that is carried out on a
//! run, a queue or a schedule is written down by the engine instead.

use domain::Rank;
use serde_json::Value;
use sqlx::PgConnection;
use store::console_actions::{self, Action};
use uuid::Uuid;

use super::page::PageError;
use super::run::finish;
use super::who::Operator;
use crate::app::Shared;
use crate::observe;

/// An action to be written down, in the transaction that carries it out.
pub(crate) struct Record(Action);

impl Record {
    /// Done by `actor`, to `target`, from where the present request comes from.
    pub(crate) fn of(actor: &str, verb: &str, target: &str) -> Self {
        Self(Action {
            action_id: Uuid::now_v7(),
            actor: actor.to_owned(),
            verb: verb.to_owned(),
            target: target.chars().take(300).collect(),
            done: true,
            reason: String::new(),
            before: None,
            after: None,
            request_id: Some(observe::request_id()).filter(|id| !id.is_empty()),
            address: observe::client().map(|address| address.to_string()),
        })
    }

    /// Why, cut to what the table takes.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        self.0.reason = reason.chars().take(2_000).collect();
        self
    }

    /// What it changed.
    pub(crate) fn changing(mut self, before: Value, after: Value) -> Self {
        (self.0.before, self.0.after) = (Some(before), Some(after));
        self
    }

    /// It was refused: nothing was changed.
    pub(crate) fn refused(mut self) -> Self {
        self.0.done = false;
        self
    }

    pub(crate) async fn write(&self, conn: &mut PgConnection) -> Result<(), store::Error> {
        console_actions::insert(conn, &self.0).await
    }

    /// Writes down what was done nowhere else: a refusal, for which there is no other transaction.
    pub(super) async fn keep(self, app: &Shared) -> Result<(), PageError> {
        let shared = Shared::clone(app);
        finish(app, async move {
            let mut conn = shared.pool.acquire().await?;
            Ok(self.write(&mut conn).await?)
        })
        .await
    }
}

/// Lets nobody pass whose rank does not suffice, and writes down who tried what.
pub(super) async fn require(
    app: &Shared,
    who: &Operator,
    wanted: Rank,
    (verb, target): (&str, &str),
) -> Result<(), PageError> {
    if who.rank >= wanted {
        return Ok(());
    }
    tracing::warn!(
        target: "security", operator = who.name, rank = %who.rank, wanted = %wanted, verb,
        "a rank does not suffice",
    );
    let why = format!("You are signed in as {}; this needs {wanted}.", who.rank);
    let written = format!("signed in as {}; this needs {wanted}", who.rank);
    Record::of(&who.name, verb, target).because(&written).refused().keep(app).await?;
    Err(PageError::Forbidden(why))
}
