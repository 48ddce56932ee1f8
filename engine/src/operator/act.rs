//! Carries a verb out inside a transaction: lock, look, decide, do, write down. Commits nothing.

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::refusal::{Refusal, Standing, refusal};
use super::verb::{RunState, Verb, VerbKind};
use super::{Carried, ending, fork, record};
use crate::error::Error;
use crate::journal::Journal;
use crate::run::{PAUSE, Signature, TERMINATE};
use crate::store::operator_actions::{self, NewAction};
use crate::store::tasks::by_operator::{self, Count, Facts, Stand};
use crate::store::{incidents, signals, tasks};

/// Who acts, and as a part of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) signature: &'a Signature,
    pub(crate) bulk_id: Option<Uuid>,
    /// The run as it was when the operator looked.
    pub(crate) expected: Option<&'a str>,
    /// The request that asked for it.
    pub(crate) request_id: Option<&'a str>,
}

impl<'a> Signed<'a> {
    /// As a part of a bulk action, on a run that is to stand as it did.
    pub(crate) fn in_bulk(
        signature: &'a Signature,
        bulk_id: Uuid,
        expected: Option<&'a str>,
    ) -> Self {
        Self { signature, bulk_id: Some(bulk_id), expected, request_id: None }
    }
}

/// What was done.
pub(crate) struct Acted {
    pub(crate) action_id: Uuid,
    pub(crate) carried: Carried,
    /// The new run of a fork.
    pub(crate) forked: Option<Uuid>,
    pub(crate) after: Value,
}

impl Acted {
    /// Says in log and metrics what was done; after its commit.
    pub(crate) fn tell(&self, signature: &Signature, run_id: Uuid, verb: VerbKind) {
        let Signature { actor, reason } = signature;
        metrics::counter!("makegood_operator_actions_total", "verb" => verb.as_str()).increment(1);
        tracing::info!(
            run.id = %run_id, operator.verb = verb.as_str(), operator.actor = actor,
            operator.reason = reason, "an operator acted",
        );
        let closes = matches!(verb, VerbKind::Terminate | VerbKind::Close);
        if closes && self.carried == Carried::Done {
            metrics::counter!("makegood_runs_ended_total", "state" => "CLOSED").increment(1);
        }
    }
}

/// A run under the lock of its row, and who acts on it.
pub(super) struct Subject<'a> {
    pub(super) run_id: Uuid,
    pub(super) action_id: Uuid,
    pub(super) signature: &'a Signature,
    pub(super) facts: Facts,
    pub(super) state: RunState,
}

/// What a verb did, for the audit.
pub(super) struct Effect {
    pub(super) carried: Carried,
    pub(super) after: Value,
    pub(super) forked: Option<Uuid>,
}

impl Effect {
    pub(super) fn done(after: Value) -> Self {
        Self { carried: Carried::Done, after, forked: None }
    }
}

/// Why nothing was done. A refusal comes before the first write.
pub(super) enum Undone {
    Refused(Refusal),
    Failed(Error),
}

impl From<Refusal> for Undone {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<sqlx::Error> for Undone {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Carries the verb out and writes it down. A refused verb has written nothing.
pub(crate) async fn carry_out(
    conn: &mut PgConnection,
    signed: Signed<'_>,
    run_id: Uuid,
    verb: &Verb,
) -> Result<Acted, Error> {
    let kind = verb.kind();
    let facts = look(&mut *conn, run_id).await?;
    let standing = standing(run_id, &facts)?;
    let refused = |refusal| Error::Refused { run_id, verb: kind, refusal: Box::new(refusal) };
    if signed.expected.is_some_and(|expected| expected != facts.stand.version()) {
        return Err(refused(Refusal::MovedOn { state: standing.state }));
    }
    if let Some(refusal) = refusal(kind, standing) {
        return Err(refused(refusal));
    }
    let (action_id, signature) = (Uuid::now_v7(), signed.signature);
    let subject = Subject { run_id, action_id, signature, facts, state: standing.state };
    let effect = match act(&mut *conn, &subject, verb).await {
        Ok(effect) => effect,
        Err(Undone::Refused(refusal)) => return Err(refused(refusal)),
        Err(Undone::Failed(error)) => return Err(error),
    };
    let action = NewAction {
        action_id,
        run_id,
        verb: kind.as_str(),
        actor: &signature.actor,
        reason: &signature.reason,
        before: &subject.facts.standing,
        after: &effect.after.to_string(),
        bulk_id: signed.bulk_id,
        request_id: signed.request_id,
    };
    operator_actions::insert(conn, &action).await?;
    let Effect { carried, after, forked } = effect;
    Ok(Acted { action_id, carried, forked, after })
}

/// The run, its row in the queue locked if it lives.
pub(super) async fn look(conn: &mut PgConnection, run_id: Uuid) -> Result<Facts, Error> {
    by_operator::lock(&mut *conn, run_id).await?;
    let facts = by_operator::facts(conn, run_id).await?;
    facts.ok_or_else(|| Error::RunNotFound(run_id.to_string()))
}

/// What the table of refusals decides by.
pub(crate) fn standing(run_id: Uuid, facts: &Facts) -> Result<Standing, Error> {
    let Stand { held, way, ref state, .. } = facts.stand;
    let state = RunState::read(state);
    let state = state.ok_or_else(|| Error::RunNotFound(format!("{run_id} in a known state")))?;
    Ok(Standing { state, held, way })
}

async fn act(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    verb: &Verb,
) -> Result<Effect, Undone> {
    match verb {
        Verb::Retry => record::retry(conn, subject).await,
        Verb::Resume => subject.set_going(conn, VerbKind::Resume).await,
        Verb::ResumeForward => record::resume_forward(conn, subject).await,
        Verb::SkipStep { step, result, undo } => {
            record::skip_step(conn, subject, step, (result, *undo)).await
        }
        Verb::EditInput { step, input } => record::edit_input(conn, subject, step, input).await,
        Verb::Compensate | Verb::Cancel => record::make_good(conn, subject, verb.kind()).await,
        Verb::Terminate | Verb::Close => ending::close(conn, subject, verb.kind()).await,
        Verb::Pause => ending::pause(conn, subject).await,
        Verb::Fork { cut, workflow_id } => fork::fork(conn, subject, cut, workflow_id).await,
    }
}

impl Subject<'_> {
    /// Resolves what kept the run and puts it back into the queue.
    pub(super) async fn set_going(
        &self,
        conn: &mut PgConnection,
        verb: VerbKind,
    ) -> Result<Effect, Undone> {
        incidents::resolve(&mut *conn, self.run_id, verb.as_str()).await?;
        if self.state == RunState::Paused {
            // A pause that was taken must not be taken again.
            self.void(&mut *conn, &[PAUSE]).await?;
        }
        // A resumed run goes on where it was, with the attempts that it has had.
        let count = if self.state == RunState::Paused { Count::On } else { Count::Anew };
        by_operator::set_going(&mut *conn, self.run_id, count).await?;
        let facts = by_operator::facts(conn, self.run_id).await?;
        let state = facts.map_or_else(String::new, |facts| facts.stand.state);
        Ok(Effect::done(json!({ "state": state })))
    }

    /// Makes orders void that would hinder what the operator wants now.
    pub(super) async fn void(
        &self,
        conn: &mut PgConnection,
        kinds: &[&str],
    ) -> Result<(), sqlx::Error> {
        let voided = crate::run::VOIDED;
        signals::void(conn, self.run_id, kinds, voided, self.action_id).await.map(|_| ())
    }

    /// Sends the order to the worker that holds the run.
    pub(super) async fn order(
        &self,
        conn: &mut PgConnection,
        kind: &str,
    ) -> Result<Effect, Undone> {
        let payload = json!(self.signature).to_string();
        let id = format!("{kind}:{}", self.action_id);
        signals::insert(&mut *conn, self.run_id, &id, kind, &payload).await?;
        signals::ring(&mut *conn, self.run_id, true).await?;
        let mut after = json!({ "state": self.state, "ordered": kind });
        if kind == TERMINATE
            && let Some(after) = after.as_object_mut()
        {
            let untaken = signals::untaken(conn, self.run_id).await?;
            after.insert("untaken_signals".to_owned(), untaken.into());
        }
        Ok(Effect { carried: Carried::Ordered, after, forked: None })
    }

    /// The run's record, as a claim would read it.
    pub(super) async fn journal(&self, conn: &mut PgConnection) -> Result<Journal, Undone> {
        let raw = tasks::reread(conn, self.run_id).await?;
        let journal = raw.read().and_then(|(history, _)| Journal::fold(history));
        journal.map_err(|error| Refusal::Unreadable { message: error.to_string() }.into())
    }
}
