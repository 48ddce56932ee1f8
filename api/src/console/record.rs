//! What somebody does in the console, or is refused, for the audit. A verb that is carried out on a
//! run is written down by the engine instead.

use serde_json::Value;
use sqlx::PgConnection;
use store::console_actions::{self, Action};
use uuid::Uuid;

use crate::observe;

/// An action to be written down, in the transaction that carries it out.
pub(crate) struct Record(Action);

impl Record {
    /// Done by `actor`, to `target`.
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
}
