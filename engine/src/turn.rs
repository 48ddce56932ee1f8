//! How a run is driven: poll it until it wants something done; commit; then act.
//!
//! What is durable at each point: before an outside effect, its intent and every result before it;
//! when a run leaves memory, everything. What was done and not committed is done again by the next
//! owner, which is why effects outside carry an idempotency key and reads need none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::action::{Action, Call, Hold, Park, Role};
use crate::activity::{ActivityError, Attempt, Resolution};
use crate::commit::{CommitError, Committed, Disposition, Turn};
use crate::ctx::Until;
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::Payload;
use crate::registry::{ActivityCode, KindOf};
use crate::run::Run;
use crate::runtime::Engine;
use crate::store::tasks;
use crate::transaction::{Transacted, Undone, transact};
use crate::workflow::Rejection;

/// Drives a claimed run until it leaves this worker's memory.
pub(crate) async fn drive(engine: Arc<Engine>, mut run: Run) {
    let mut action = run.next(&engine.registry);
    loop {
        if engine.is_draining() && matches!(action, Action::Call(_) | Action::Transact(_)) {
            // Handed back at once, with what it has done so far.
            let (until, attempt) = (Until::After(Duration::ZERO), run.attempt);
            action = Action::Park(Park { until, wait: None, attempt });
        }
        action = match action {
            Action::Call(call) if call.needs_intent() => {
                run.intend(&call);
                match commit(&engine, &mut run, Disposition::GoOn).await {
                    Some(_) => Action::Call(call.recorded()),
                    None => return,
                }
            }
            Action::Call(call) => match act(&engine, &mut run, &call).await {
                Acted::Answer(answer, tries) => {
                    run.finish(&call, answer, tries);
                    run.next(&engine.registry)
                }
                Acted::Later(pause, attempt) => {
                    Action::Park(Park { until: Until::After(pause), wait: None, attempt })
                }
                Acted::Stuck(incident) => Action::Stuck(incident),
                Acted::Lost => return,
            },
            Action::Transact(call) => {
                let work = tokio::spawn(transact(Arc::clone(&engine), run, call));
                match work.await {
                    Ok(Transacted::Next(driven, next)) => {
                        run = driven;
                        next
                    }
                    Ok(Transacted::Left) => return,
                    Ok(Transacted::Undone(run, undone)) => {
                        return rolled_back(&engine, run, undone).await;
                    }
                    // The task died with its run; the incarnation's end frees it.
                    Err(error) => return tracing::error!(%error, "a transaction's task died"),
                }
            }
            Action::Park(park) => {
                match commit(&engine, &mut run, Disposition::Park(park.clone())).await {
                    Some(Committed::Refused(signals)) => {
                        let unwinding = run.is_unwinding();
                        run.deliver(signals);
                        // A pause before another attempt goes on, unless the run was cancelled.
                        if park.wait.is_none() && run.is_unwinding() == unwinding {
                            Action::Park(park)
                        } else {
                            run.next(&engine.registry)
                        }
                    }
                    Some(Committed::GoOn | Committed::Left) | None => return,
                }
            }
            Action::End(end) => match commit(&engine, &mut run, Disposition::End(end)).await {
                Some(Committed::Refused(signals)) => {
                    run.deliver(signals);
                    run.next(&engine.registry)
                }
                Some(Committed::GoOn | Committed::Left) | None => return,
            },
            Action::Stuck(incident) => {
                commit(&engine, &mut run, Disposition::Stick(incident)).await;
                return;
            }
        };
    }
}

/// Commits the run's turn. `None`: the run is gone from here, one way or another.
async fn commit(engine: &Engine, run: &mut Run, disposition: Disposition) -> Option<Committed> {
    match engine.committer.commit(Turn::of(run, disposition)).await {
        Ok(committed) => {
            run.attempt = 0;
            Some(committed)
        }
        Err(CommitError::Lost) => None,
        Err(CommitError::Refused(message)) => {
            let message = format!("the database refuses this run's records: {message}");
            let incident = NewIncident::new(IncidentClass::Unwritable, None, message);
            park_stuck(engine, Turn::stuck(run, incident), run.attempt).await;
            None
        }
    }
}

async fn park_stuck(engine: &Engine, turn: Turn, attempt: u32) {
    let hold = turn.hold;
    if let Err(CommitError::Refused(message)) = engine.committer.commit(turn).await {
        tracing::error!(run.id = %hold.run_id, message, "an incident could not be written");
        give_back(engine, hold, Duration::from_secs(5), attempt).await;
    }
}

/// A rolled-back transaction costs an attempt; the run starts over from its record.
async fn rolled_back(engine: &Engine, run: Run, undone: Undone) {
    match undone {
        Undone::Lost => {}
        Undone::Unavailable(message) => {
            tracing::warn!(run.id = %run.hold.run_id, message, "no connection for a step");
            give_back(engine, run.hold, Duration::from_millis(500), run.attempt).await;
        }
        Undone::Stuck(incident) => {
            park_stuck(engine, Turn::stuck(&run, incident), run.attempt).await;
        }
        Undone::Failed { call, message } => {
            let attempt = run.attempt.saturating_add(1);
            let policy = engine.registry.code_for(&call.activity).map(|code| code.retry());
            match policy.unwrap_or_default().delay(attempt) {
                Some(pause) => {
                    let (run_id, step) = (run.hold.run_id, &call.step);
                    tracing::info!(run.id = %run_id, step.name = step, attempt, message, "retrying");
                    give_back(engine, run.hold, pause, attempt).await;
                }
                None => {
                    let class = used_up(&call, false);
                    let incident = NewIncident::new(class, Some(&call.step), message);
                    park_stuck(engine, Turn::stuck(&run, incident), attempt).await;
                }
            }
        }
    }
}

/// Gives a run back to the queue; if even that fails, the end of the incarnation frees it.
async fn give_back(engine: &Engine, hold: Hold, pause: Duration, attempt: u32) {
    let due = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let attempt = i32::try_from(attempt).ok();
    let freed =
        tasks::give_back(&engine.hot, hold.incarnation, hold.run_id, hold.epoch, due, attempt);
    if let Err(error) = freed.await {
        tracing::warn!(run.id = %hold.run_id, %error, "a run could not be given back");
        engine.lease.lose(hold.incarnation);
    }
}

enum Acted {
    Answer(Result<Payload, Rejection>, u32),
    Later(Duration, u32),
    Stuck(NewIncident),
    Lost,
}

/// Calls an activity outside, with the retries that are short enough to wait for in memory.
async fn act(engine: &Engine, run: &mut Run, call: &Call) -> Acted {
    let Some(code) = engine.registry.code_for(&call.activity) else {
        let message = format!("no activity {} is registered", call.activity);
        let class = IncidentClass::NonDeterminism;
        return Acted::Stuck(NewIncident::new(class, Some(&call.step), message));
    };
    let mut uncertain = call.uncertain;
    loop {
        // A worker that may have been declared dead must not touch the world.
        if !engine.lease.is_ours(run.hold.incarnation) {
            return Acted::Lost;
        }
        let number = run.attempt.saturating_add(1);
        let idempotency_key = call.idempotency_key(run.hold.run_id);
        let attempt = Attempt { run_id: run.hold.run_id, number, idempotency_key };
        let started = Instant::now();
        let answer = once(code.as_ref(), attempt, call, &mut uncertain).await;
        Engine::count_step(call, answer.as_ref().err());
        metrics::histogram!("makegood_step_seconds", "activity" => call.activity.clone())
            .record(started.elapsed());
        let (message, after) = match answer {
            Ok(output) => return Acted::Answer(Ok(output), number),
            Err(ActivityError::Rejected { code, message }) if call.role.is_compensation() => {
                let message = format!("{} was refused: {code}: {message}", call.activity);
                let class = IncidentClass::CompensationFailed;
                return Acted::Stuck(NewIncident::new(class, Some(&call.step), message));
            }
            Err(ActivityError::Rejected { code, message }) => {
                let (step, code) = (call.step.clone(), code.into_owned());
                return Acted::Answer(Err(Rejection { step, code, message }), number);
            }
            Err(ActivityError::Review { class, message }) => {
                let class = IncidentClass::Review(class);
                return Acted::Stuck(NewIncident::new(class, Some(&call.step), message));
            }
            Err(ActivityError::Retryable { message, after }) => (message, after),
            Err(ActivityError::Unknown { message }) => {
                uncertain = code.kind() == KindOf::Outside;
                (message, None)
            }
            Err(ActivityError::Unclassified(error)) => {
                uncertain = code.kind() == KindOf::Outside;
                (error.to_string(), None)
            }
        };
        let Some(pause) = code.retry().delay(number) else {
            let class = used_up(call, uncertain);
            return Acted::Stuck(NewIncident::new(class, Some(&call.step), message));
        };
        let pause = pause.max(after.unwrap_or_default());
        tracing::info!(
            run.id = %run.hold.run_id, step.name = call.step, attempt = number, message, uncertain,
            "an attempt failed",
        );
        if pause > engine.config.short_wait || engine.pause(pause).await.is_err() {
            return Acted::Later(pause, number);
        }
        run.attempt = number;
    }
}

/// One attempt: first the look-up of an earlier one that may have had its effect.
async fn once(
    code: &dyn ActivityCode,
    attempt: Attempt,
    call: &Call,
    uncertain: &mut bool,
) -> Result<Payload, ActivityError> {
    let limit = code.timeout();
    let timed_out = || ActivityError::unknown(format!("no answer within {limit:?}"));
    if *uncertain {
        let looked_up = tokio::time::timeout(limit, code.resolve(attempt.clone(), &call.input));
        match looked_up.await.unwrap_or_else(|_| Err(timed_out()))? {
            Resolution::Done(output) => return Ok(output),
            Resolution::TryAgain => *uncertain = false,
        }
    }
    fault::point("before the call of", &call.activity);
    let called = tokio::time::timeout(limit, code.call(attempt, &call.input));
    let answer = called.await.unwrap_or_else(|_| Err(timed_out()));
    fault::point("after the call of", &call.activity);
    answer
}

fn used_up(call: &Call, uncertain: bool) -> IncidentClass {
    match call.role {
        Role::Undo | Role::Closing => IncidentClass::CompensationFailed,
        Role::Step { .. } if uncertain => IncidentClass::UnknownOutcome,
        Role::Step { .. } => IncidentClass::RetriesUsedUp,
    }
}
