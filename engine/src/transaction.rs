//! Activities in the database: their SQL, the records of what they did, and what comes next, in
//! one transaction. Runs in a task that nobody cancels.

use std::sync::Arc;

use sqlx::{Acquire, Postgres, Transaction};

use crate::action::{Action, Call, Hold, Role};
use crate::activity::ActivityError;
use crate::commit::{self, CommitError, Committed, Disposition, Turn};
use crate::error::outcome_unknown;
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::Payload;
use crate::run::Run;
use crate::runtime::Engine;
use crate::store::workers;
use crate::workflow::Rejection;
use crate::write;

/// How a transaction went.
pub(crate) enum Transacted {
    /// Committed; this is next.
    Next(Run, Action),
    /// Committed, and the run has left memory.
    Left,
    /// Nothing was written and the run in memory is ahead of its record: drop it.
    Undone(Run, Undone),
}

/// What to do with a run whose transaction was rolled back.
pub(crate) enum Undone {
    /// Not this worker's run any more.
    Lost,
    /// There was no connection for it: give it back, this was no attempt.
    Unavailable(String),
    /// Give it back for another attempt, or park it when there are none left.
    Failed { call: Call, message: String },
    /// A person must look.
    Stuck(NewIncident),
}

/// Runs this activity and those that follow it directly.
pub(crate) async fn transact(engine: Arc<Engine>, mut run: Run, call: Call) -> Transacted {
    match attempt(&engine, &mut run, call).await {
        Ok(Some(action)) => Transacted::Next(run, action),
        Ok(None) => Transacted::Left,
        Err(undone) => Transacted::Undone(run, undone),
    }
}

async fn attempt(engine: &Engine, run: &mut Run, first: Call) -> Result<Option<Action>, Undone> {
    let failed = |call: &Call, error: &sqlx::Error| Undone::Failed {
        call: call.clone(),
        message: error.to_string(),
    };
    let unavailable = |error: sqlx::Error| Undone::Unavailable(error.to_string());
    let mut tx = engine.transactions.begin().await.map_err(unavailable)?;
    if !workers::fence(&mut tx, run.hold.incarnation).await.map_err(unavailable)? {
        engine.lease.lose(run.hold.incarnation);
        return Err(Undone::Lost);
    }
    let mut call = first;
    let action = loop {
        let answer = run_one(engine, &mut tx, run.hold, &call).await?;
        let tries = run.attempt.saturating_add(1);
        run.finish(&call, answer, tries);
        match run.next(&engine.registry) {
            Action::Transact(next) => call = next,
            other => break other,
        }
    };
    let disposition = match &action {
        Action::Call(next) => {
            if next.needs_intent() {
                run.intend(next);
            }
            Disposition::GoOn
        }
        Action::Park(park) => Disposition::Park(park.clone()),
        Action::End(end) => Disposition::End(end.clone()),
        Action::Stuck(incident) => Disposition::Stick(incident.clone()),
        Action::Transact(_) => Disposition::GoOn,
    };
    let turn = Turn::of(run, disposition);
    let now = engine.lease.database_time();
    let incarnation = run.hold.incarnation;
    let outcomes =
        write::turns(&mut tx, incarnation, &[&turn], now).await.map_err(|e| failed(&call, &e))?;
    let Some(mut outcomes) = outcomes else {
        engine.lease.lose(incarnation);
        return Err(Undone::Lost);
    };
    let outcome = outcomes.remove(&run.hold.run_id);
    let committed = match commit::committed(&turn, outcome) {
        Ok(committed) => committed,
        Err(CommitError::Lost | CommitError::Refused(_)) => return Err(Undone::Lost),
    };
    fault::point("before the commit after", &call.activity);
    let durable = write::commit(tx).await;
    fault::point("after the commit after", &call.activity);
    if let Err(error) = durable {
        tracing::warn!(run.id = %run.hold.run_id, %error, "a commit's outcome is unknown");
        engine.lease.lose(incarnation);
        return Err(Undone::Lost);
    }
    metrics::counter!("makegood_transactions_total").increment(1);
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

/// One activity under a savepoint: a refusal takes back its writes and nobody else's.
async fn run_one(
    engine: &Engine,
    tx: &mut Transaction<'_, Postgres>,
    hold: Hold,
    call: &Call,
) -> Result<Result<Payload, Rejection>, Undone> {
    let failed = |message: String| Undone::Failed { call: call.clone(), message };
    let Some(code) = engine.registry.code_for(&call.activity) else {
        return Err(failed(format!("no activity {} is registered", call.activity)));
    };
    let mut savepoint = tx.begin().await.map_err(|e| failed(e.to_string()))?;
    let answer = code.transact(&mut savepoint, &call.input).await;
    fault::point("in the transaction, after", &call.activity);
    Engine::count_step(call, answer.as_ref().err());
    match answer {
        Ok(output) => {
            savepoint.commit().await.map_err(|e| failed(e.to_string()))?;
            Ok(Ok(output))
        }
        Err(ActivityError::Rejected { code, message }) if call.role.is_compensation() => {
            let message = format!("{} was refused: {code}: {message}", call.activity);
            let class = IncidentClass::CompensationFailed;
            Err(Undone::Stuck(NewIncident::new(class, Some(&call.step), message)))
        }
        Err(ActivityError::Rejected { code, message }) => {
            savepoint.rollback().await.map_err(|e| failed(e.to_string()))?;
            Ok(Err(Rejection { step: call.step.clone(), code: code.into_owned(), message }))
        }
        Err(ActivityError::Review { class, message }) => {
            let class = IncidentClass::Review(class);
            Err(Undone::Stuck(NewIncident::new(class, Some(&call.step), message)))
        }
        Err(ActivityError::Retryable { message, .. } | ActivityError::Unknown { message }) => {
            Err(failed(message))
        }
        Err(ActivityError::Unclassified(error)) => {
            if error.downcast_ref::<sqlx::Error>().is_some_and(outcome_unknown) {
                tracing::warn!(run.id = %hold.run_id, %error, "lost the database in a step");
            }
            Err(failed(error.to_string()))
        }
    }
}
