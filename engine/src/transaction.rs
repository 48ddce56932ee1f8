//! Activities in the database: their SQL, the records of what they did, and what comes next, in
//! one transaction. Runs in a task that nobody cancels.

use std::sync::Arc;

use sqlx::{Acquire, PgConnection, Postgres, Transaction};

use crate::act::too_large;
use crate::action::{Action, Call, Hold, Role};
use crate::activity::ActivityError;
use crate::commit::{Committed, Disposition, Turn};
use crate::error::refused;
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::run::{Answer, Run};
use crate::runtime::Engine;
use crate::store::{tasks, workers};
use crate::workflow::Rejection;
use crate::write::{self, Outcome};

/// How a transaction went.
pub(crate) enum Transacted {
    /// Committed; this is next.
    Next(Run, Action),
    /// Committed, and the run has left memory.
    Left,
    /// Rolled back: the program in memory is ahead of the run's record and must not be polled.
    Undone(Run, Undone),
}

/// What to do with a run whose transaction was rolled back.
pub(crate) enum Undone {
    /// Not this worker's run any more.
    Lost,
    /// There was no connection for it: this was no attempt.
    Unavailable(String),
    /// A cancel came before the pivot: the run takes it first.
    Cancelled,
    /// An attempt failed.
    Failed { call: Call, message: String },
    /// A person must look.
    Stuck(NewIncident),
}

/// Runs this activity and those that follow it directly.
pub(crate) async fn transact(engine: Arc<Engine>, mut run: Run, call: Call) -> Transacted {
    let before = run.mark();
    match attempt(&engine, &mut run, call).await {
        Ok(Some(action)) => Transacted::Next(run, action),
        Ok(None) => Transacted::Left,
        Err(undone) => {
            run.return_to(before);
            Transacted::Undone(run, undone)
        }
    }
}

async fn attempt(engine: &Engine, run: &mut Run, first: Call) -> Result<Option<Action>, Undone> {
    let unavailable = |error: sqlx::Error| Undone::Unavailable(error.to_string());
    let incarnation = run.hold.incarnation;
    let mut tx = engine.transactions.begin().await.map_err(unavailable)?;
    if !workers::fence(&mut tx, incarnation).await.map_err(unavailable)? {
        engine.lease.lose(incarnation);
        return Err(Undone::Lost);
    }
    let mut call = first;
    let action = loop {
        if matches!(call.role, Role::Step { pivot: true, .. }) {
            heed_cancel(&mut tx, run.hold, &call).await?;
        }
        let answer = run_one(engine, &mut tx, run.hold, run.attempt, &call).await?;
        run.finish(&call, answer);
        match run.next(&engine.registry) {
            Action::Transact(next) => call = next,
            other => break other,
        }
    };
    if let Action::Call(next) = &action
        && next.needs_intent()
    {
        run.intend(next);
    }
    let turn = Turn::of(run, disposition(&action));
    let committed = match write_and_commit(engine, tx, &turn, &call).await {
        Ok(committed) => committed,
        Err(undone) => {
            run.rows = turn.rows;
            return Err(undone);
        }
    };
    run.attempt = 0;
    Ok(match (committed, action) {
        (Committed::Left, _) => None,
        (Committed::Refused(signals), _) => {
            run.deliver(signals);
            Some(run.next(&engine.registry))
        }
        (Committed::GoOn, Action::Call(next)) => Some(Action::Call(next.recorded())),
        (Committed::GoOn, other) => Some(other),
    })
}

async fn write_and_commit(
    engine: &Engine,
    mut tx: Transaction<'_, Postgres>,
    turn: &Turn,
    call: &Call,
) -> Result<Committed, Undone> {
    let Hold { run_id, incarnation, .. } = turn.hold;
    let now = engine.lease.database_time();
    let outcomes = write::turns(&mut tx, incarnation, &[turn], now).await;
    let outcomes = outcomes.map_err(|error| {
        if refused(&error) {
            let message = format!("the database refuses its records: {error}");
            Undone::Stuck(NewIncident::new(IncidentClass::Unwritable, None, &message).at(call))
        } else {
            failed(call, &error)
        }
    })?;
    let Some(mut outcomes) = outcomes else {
        engine.lease.lose(incarnation);
        return Err(Undone::Lost);
    };
    let outcome = outcomes.remove(&run_id);
    if matches!(outcome, Some(Outcome::Lost)) {
        return Err(Undone::Lost);
    }
    fault::point("before the commit after", &call.activity);
    let durable = write::commit(tx).await;
    fault::point("after the commit after", &call.activity);
    if let Err(error) = durable {
        tracing::warn!(run.id = %run_id, %error, "a commit's outcome is unknown");
        engine.lease.lose(incarnation);
        return Err(Undone::Lost);
    }
    metrics::counter!("makegood_transactions_total").increment(1);
    turn.committed(outcome).map_err(|_| Undone::Lost)
}

fn disposition(action: &Action) -> Disposition {
    match action {
        Action::Call(_) | Action::Transact(_) => Disposition::GoOn,
        Action::Park(park) => Disposition::Park(park.clone()),
        Action::End(end) => Disposition::End(end.clone()),
        Action::Stuck(incident) => Disposition::Stick(incident.clone()),
    }
}

fn failed(call: &Call, error: &sqlx::Error) -> Undone {
    Undone::Failed { call: call.clone(), message: error.to_string() }
}

/// An acknowledged cancel comes before the pivot: from here on, no new one can be acknowledged
/// before this transaction ends, since the cancel's own statement waits for the task's row.
async fn heed_cancel(tx: &mut PgConnection, hold: Hold, call: &Call) -> Result<(), Undone> {
    let unseen = tasks::lock_and_look_for_cancel(tx, hold.run_id, hold.epoch).await;
    match unseen.map_err(|error| failed(call, &error))? {
        Some(true) => Err(Undone::Cancelled),
        Some(false) => Ok(()),
        None => Err(Undone::Lost),
    }
}

/// One activity under a savepoint: a refusal takes back its writes and nobody else's.
async fn run_one(
    engine: &Engine,
    tx: &mut Transaction<'_, Postgres>,
    hold: Hold,
    attempts: u32,
    call: &Call,
) -> Result<Answer, Undone> {
    let failed = |message: String| Undone::Failed { call: call.clone(), message };
    let stuck =
        |class, message: &str| Undone::Stuck(NewIncident::new(class, None, message).at(call));
    let Some(code) = engine.registry.code_for(&call.activity) else {
        return Err(failed(format!("no activity {} is registered", call.activity)));
    };
    let tries = attempts.saturating_add(1);
    let mut savepoint = tx.begin().await.map_err(|e| failed(e.to_string()))?;
    let answer = code.transact(&mut savepoint, &call.input).await;
    fault::point("in the transaction, after", &call.activity);
    Engine::count_step(call, answer.as_ref().err());
    match answer {
        Ok(output) => {
            if let Some(message) = too_large(&output, engine.config.payload_limit) {
                return Err(stuck(IncidentClass::Unwritable, &message));
            }
            savepoint.commit().await.map_err(|e| failed(e.to_string()))?;
            Ok(Answer { result: Ok(output), tries, doubt: false })
        }
        Err(ActivityError::Rejected { code, message }) if call.role.is_compensation() => {
            let message = format!("{} was refused: {code}: {message}", call.activity);
            Err(stuck(IncidentClass::CompensationFailed, &message))
        }
        Err(ActivityError::Rejected { code, message }) => {
            savepoint.rollback().await.map_err(|e| failed(e.to_string()))?;
            let (step, code) = (call.step.clone(), code.into_owned());
            Ok(Answer { result: Err(Rejection { step, code, message }), tries, doubt: false })
        }
        Err(ActivityError::Review { class, message }) => {
            Err(stuck(IncidentClass::Review(class), &message))
        }
        Err(ActivityError::Retryable { message, .. } | ActivityError::Unknown { message }) => {
            Err(failed(message))
        }
        Err(ActivityError::Unclassified(error)) => {
            tracing::debug!(run.id = %hold.run_id, step.name = call.step, %error, "a step failed");
            Err(failed(error.to_string()))
        }
    }
}
