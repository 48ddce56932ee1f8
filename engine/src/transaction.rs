//! Activities in the database: their SQL, the records of what they did, and what comes next, in
//! one transaction. Runs in a task that nobody cancels.

use std::sync::Arc;

use sqlx::{Acquire, PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::act::too_large;
use crate::action::{Action, Call, Hold};
use crate::activity::ActivityError;
use crate::commit::{Committed, Disposition, Turn};
use crate::error::refused;
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::registry::KindOf;
use crate::run::{Answer, Run};
use crate::runtime::Engine;
use crate::store::{tasks, workers};
use crate::workflow::Rejection;
use crate::write::{self, Outcome};

/// How a transaction went.
pub(crate) enum Transacted {
    /// Committed; this is next.
    Next(Box<Run>, Action),
    /// Committed, and the run has left memory.
    Left,
    /// Rolled back: the program in memory is ahead of the run's record and must not be polled.
    Undone(Box<Run>, Undone),
}

/// What to do with a run whose transaction was rolled back.
pub(crate) enum Undone {
    /// Not this worker's run any more.
    Lost,
    /// There was no connection for it: this was no attempt.
    Unavailable(String),
    /// Its batch could not be written: this was no attempt, and the next is made alone.
    Together { call: Call, message: String },
    /// A cancel came before the pivot: the run takes it first.
    Cancelled,
    /// An attempt failed.
    Failed { call: Call, message: String },
    /// A person must look.
    Stuck(NewIncident),
}

impl std::fmt::Display for Undone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost => f.write_str("it is another worker's run"),
            Self::Unavailable(message)
            | Self::Together { message, .. }
            | Self::Failed { message, .. } => f.write_str(message),
            Self::Cancelled => f.write_str("it was cancelled"),
            Self::Stuck(incident) => f.write_str(&incident.message),
        }
    }
}

/// Runs this activity and those that follow it directly.
pub(crate) async fn transact(engine: Arc<Engine>, mut run: Run, call: Call) -> Transacted {
    let (before, tries) = (run.mark(), run.tries.clone());
    match attempt(&engine, &mut run, call).await {
        Ok(Next::Action(action)) => Transacted::Next(Box::new(run), action),
        Ok(Next::Left) => Transacted::Left,
        Ok(Next::Undone(undone)) => Transacted::Undone(Box::new(run), undone),
        Err(undone) => {
            run.return_to(before);
            run.tries = tries;
            Transacted::Undone(Box::new(run), undone)
        }
    }
}

/// Commits the intent of a pivot outside, unless a cancel was acknowledged before.
pub(crate) async fn leap(engine: Arc<Engine>, mut run: Run, call: Call) -> Transacted {
    let before = run.mark();
    match intend_leap(&engine, &mut run, &call).await {
        Ok(()) => {
            run.leaps(&call);
            Transacted::Next(Box::new(run), Action::Call(vec![call.recorded()]))
        }
        Err(undone) => {
            run.return_to(before);
            let undone = match undone {
                // Nothing was tried.
                Undone::Failed { message, .. } => Undone::Unavailable(message),
                other => other,
            };
            Transacted::Undone(Box::new(run), undone)
        }
    }
}

async fn intend_leap(engine: &Engine, run: &mut Run, call: &Call) -> Result<(), Undone> {
    let mut tx = begin(engine, run.hold.incarnation).await?;
    heed_cancel(&mut tx, run.hold, call).await?;
    run.intend(call);
    let turn = Turn::of(run, Disposition::GoOn);
    match write_and_commit(engine, tx, &[&turn], &call.activity).await {
        Ok(_) => Ok(()),
        Err(unwritten) => {
            run.turn = turn.records;
            Err(unwritten.of(call))
        }
    }
}

/// A transaction that this incarnation may write in.
async fn begin(
    engine: &Engine,
    incarnation: Uuid,
) -> Result<Transaction<'static, Postgres>, Undone> {
    let unavailable = |error: sqlx::Error| Undone::Unavailable(error.to_string());
    let begun = engine.lease.watchdog().begin("the begin of a transaction");
    let mut tx = engine.transactions.begin().await.map_err(unavailable)?;
    let alive = workers::fence(&mut tx, incarnation).await.map_err(unavailable)?;
    drop(begun);
    if !alive {
        engine.lease.lose(incarnation);
        return Err(Undone::Lost);
    }
    Ok(tx)
}

/// What comes after a commit.
enum Next {
    Action(Action),
    Left,
    /// The last of several calls failed: those before it are committed, and the run is where its
    /// record is.
    Undone(Undone),
}

async fn attempt(engine: &Engine, run: &mut Run, first: Call) -> Result<Next, Undone> {
    let mut tx = begin(engine, run.hold.incarnation).await?;
    let (mut call, mut failed) = (first, None);
    let mut done = 0_u32;
    let action = loop {
        if call.is_pivot() {
            heed_cancel(&mut tx, run.hold, &call).await?;
        }
        let failed_before = run.failures(&call);
        match run_one(engine, &mut tx, failed_before, &call).await {
            Ok(answer) => run.finish(&call, answer),
            Err(undone) if done == 0 => return Err(undone),
            // Its savepoint took it back, and nothing else.
            Err(undone) => {
                failed = Some(undone);
                break Action::Transact(call.clone());
            }
        }
        done = done.saturating_add(1);
        match run.next(&engine.registry) {
            // A batch gathers its own.
            Action::Transact(next) if next.kind == KindOf::InTransaction => call = next,
            other => break other,
        }
    };
    intend(run, &action);
    let turn = Turn::of(run, disposition(&action));
    let committed = match write_and_commit(engine, tx, &[&turn], &call.activity).await {
        Ok(committed) => committed.into_iter().next().flatten(),
        Err(unwritten) => {
            run.turn = turn.records;
            return Err(unwritten.of(&call));
        }
    };
    match (committed, failed) {
        (Some(_), Some(undone)) => Ok(Next::Undone(undone)),
        (Some(committed), None) => {
            Ok(next(engine, run, committed, action).map_or(Next::Left, Next::Action))
        }
        (None, _) => Err(Undone::Lost),
    }
}

/// Notes the intents of the calls that come next, so that they ride on this commit.
pub(crate) fn intend(run: &mut Run, action: &Action) {
    if let Action::Call(calls) = action {
        for call in calls.iter().filter(|call| call.needs_intent()) {
            run.intend(call);
        }
    }
}

/// What comes after a transaction that was committed; `None`: the run has left memory.
pub(crate) fn next(
    engine: &Engine,
    run: &mut Run,
    committed: Committed,
    action: Action,
) -> Option<Action> {
    match (committed, action) {
        (Committed::Left, _) => None,
        (Committed::Refused(signals), _) => {
            run.deliver(signals);
            Some(run.next(&engine.registry))
        }
        (Committed::GoOn | Committed::Stayed(_), Action::Call(calls)) => {
            Some(Action::Call(calls.into_iter().map(Call::recorded).collect()))
        }
        (Committed::GoOn | Committed::Stayed(_), other) => Some(other),
    }
}

/// Writes turns into the transaction of their activities and commits it. Each turn gets its own
/// answer; an error is that of the whole, and nothing happened, or the runs are lost.
pub(crate) async fn write_and_commit(
    engine: &Engine,
    mut tx: Transaction<'_, Postgres>,
    turns: &[&Turn],
    activity: &str,
) -> Result<Vec<Option<Committed>>, Unwritten> {
    let Some(incarnation) = turns.first().map(|turn| turn.hold.incarnation) else {
        return Ok(Vec::new());
    };
    let now = engine.clock().now();
    let outcomes = write::turns(&mut tx, engine.committer.lanes(), incarnation, turns, now).await;
    let Some(mut outcomes) = outcomes.map_err(Unwritten::Failed)? else {
        engine.lease.lose(incarnation);
        return Err(Unwritten::Lost);
    };
    // What was done for a run that is not this worker's must not be committed.
    if outcomes.values().any(|outcome| matches!(outcome, Outcome::Lost)) {
        return Err(match turns {
            [_] => Unwritten::Lost,
            _ => Unwritten::Failed(sqlx::Error::RowNotFound),
        });
    }
    fault::point("before the commit after", activity);
    let begun = engine.lease.watchdog().begin("a commit");
    let durable = write::commit(tx).await;
    drop(begun);
    fault::point("after the commit after", activity);
    if let Err(error) = durable {
        tracing::warn!(runs = turns.len(), %error, "a commit's outcome is unknown");
        engine.lease.lose(incarnation);
        return Err(Unwritten::Lost);
    }
    metrics::counter!("makegood_transactions_total").increment(1);
    let answer = |turn: &&Turn| {
        let outcome = outcomes.remove(&turn.hold.run_id);
        turn.committed(outcome, &engine.bells).ok()
    };
    Ok(turns.iter().map(answer).collect())
}

/// Why turns were not written.
pub(crate) enum Unwritten {
    /// Their runs may no longer be this worker's.
    Lost,
    /// The database refused them: nothing happened.
    Failed(sqlx::Error),
}

impl Unwritten {
    /// What this means for the run whose step it was.
    pub(crate) fn of(&self, call: &Call) -> Undone {
        match self {
            Self::Lost => Undone::Lost,
            Self::Failed(error) if refused(error) => {
                let message = format!("the database refuses its records: {error}");
                let class = IncidentClass::Unwritable;
                Undone::Stuck(NewIncident::new(class, None, &message).at(call))
            }
            Self::Failed(error) => failed(call, error),
        }
    }

    /// What this means for one run of many, which may be in no way at fault.
    pub(crate) fn together(&self, call: Call) -> Undone {
        match self {
            Self::Lost => Undone::Lost,
            Self::Failed(error) => Undone::Together { call, message: error.to_string() },
        }
    }
}

pub(crate) fn disposition(action: &Action) -> Disposition {
    match action {
        Action::Call(_) | Action::Transact(_) | Action::Await(_) => Disposition::GoOn,
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
pub(crate) async fn heed_cancel(
    tx: &mut PgConnection,
    hold: Hold,
    call: &Call,
) -> Result<(), Undone> {
    let unseen = tasks::lock_and_look_for_cancel(tx, hold.run_id, hold.epoch).await;
    match unseen.map_err(|error| failed(call, &error))? {
        Some(true) if !planted::has("a pivot overtakes a cancel") => Err(Undone::Cancelled),
        Some(_) => Ok(()),
        None => Err(Undone::Lost),
    }
}

/// One activity under a savepoint: a refusal takes back its writes and nobody else's.
pub(crate) async fn run_one(
    engine: &Engine,
    tx: &mut Transaction<'_, Postgres>,
    failed_before: u32,
    call: &Call,
) -> Result<Answer, Undone> {
    let failed = |message: String| Undone::Failed { call: call.clone(), message };
    let stuck =
        |class, message: &str| Undone::Stuck(NewIncident::new(class, None, message).at(call));
    let Some(code) = engine.registry.code_for(&call.activity) else {
        return Err(failed(format!("no activity {} is registered", call.activity)));
    };
    let tries = failed_before.saturating_add(1);
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
        Err(
            ActivityError::Retryable { message, .. }
            | ActivityError::NotTried { message, .. }
            | ActivityError::Unknown { message },
        ) => Err(failed(message)),
        Err(ActivityError::Unclassified(error)) => {
            tracing::debug!(step.name = call.step, %error, "a step failed");
            Err(failed(error.to_string()))
        }
    }
}
