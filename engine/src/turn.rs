//! How a run is driven: poll it until it wants something done; commit; then act.
//!
//! What is durable at each point: before an outside effect, its intent (of a step), or the decision
//! to undo (of an undo), and every result before it; when a run leaves memory, everything. What was
//! done and not committed is done again by the next owner, which is why effects outside carry an
//! idempotency key and reads need none.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinError;
use uuid::Uuid;

use crate::act::{Acted, used_up};
use crate::action::{Action, Call, Hold, Park, Role};
use crate::commit::{CommitError, Committed, Disposition, Turn};
use crate::flight::Flight;
use crate::incident::{IncidentClass, NewIncident};
use crate::registry::KindOf;
use crate::run::Run;
use crate::runtime::Engine;
use crate::store::tasks;
use crate::transaction::{Transacted, Undone, leap, transact};

/// Drives a claimed run until it leaves this worker's memory. A panic, of the engine or of what it
/// asks the caller's code, needs a person: left alone, its run would come up again and panic again.
pub(crate) async fn drive(engine: Arc<Engine>, run: Run) {
    let hold = run.hold;
    let mut flight = Flight::default();
    let driven = AssertUnwindSafe(Box::pin(drive_on(&engine, run, &mut flight))).catch_unwind();
    let driven = driven.await;
    // A call is never dropped half-way, even if its run is no longer this worker's.
    flight.land_all().await;
    let ended = match driven {
        Ok(None) => Ok(()),
        Ok(Some((run, undone))) => {
            AssertUnwindSafe(Box::pin(rolled_back(&engine, run, undone))).catch_unwind().await
        }
        Err(panic) => Err(panic),
    };
    if let Err(panic) = ended {
        stick_bare(&engine, hold, NewIncident::of_panic(&*panic)).await;
    }
}

/// The task of a transaction died, and its run with it. The transaction is rolled back.
async fn died(engine: &Engine, hold: Hold, flight: &mut Flight, error: JoinError) {
    flight.land_all().await;
    match error.try_into_panic() {
        Ok(panic) => stick_bare(engine, hold, NewIncident::of_panic(&*panic)).await,
        // Only the end of the incarnation frees it.
        Err(_) => engine.lease.lose(hold.incarnation),
    }
}

/// Parks a run without what it has not recorded. If not even that can be written, the incarnation
/// is given up, so that the run is not held by nobody.
async fn stick_bare(engine: &Engine, hold: Hold, incident: NewIncident) {
    if let Err(Some(refusal)) = submit(engine, Turn::bare(hold, incident)).await {
        tracing::error!(run.id = %hold.run_id, refusal, "an incident was refused");
        engine.lease.lose(hold.incarnation);
    }
}

/// Answers with the run when its last transaction was rolled back: it is ahead of its record.
async fn drive_on(
    engine: &Arc<Engine>,
    mut run: Run,
    flight: &mut Flight,
) -> Option<(Run, Undone)> {
    let mut action = run.next(&engine.registry);
    loop {
        while engine.is_draining() && matches!(action, Action::Call(_) | Action::Transact(_)) {
            // Handed back, with what it has done so far, when what is under way is answered.
            run.put_back(action);
            action = match flight.next().await {
                Some((call, acted)) => {
                    land(&mut run, call, acted)?;
                    run.next(&engine.registry)
                }
                None => Action::Park(Park::pause(Duration::ZERO)),
            };
        }
        action = match action {
            Action::Call(calls) => {
                let calls = commit_intents(engine, &mut run, flight, calls).await?;
                for call in calls {
                    let tries = run.tries.get(&call.key()).cloned();
                    flight.launch(Arc::clone(engine), run.hold, call, tries);
                }
                run.next(&engine.registry)
            }
            Action::Await(None) => {
                if let Some((call, acted)) = flight.next().await {
                    land(&mut run, call, acted)?;
                }
                run.next(&engine.registry)
            }
            Action::Await(Some(park)) => {
                match commit(engine, &mut run, flight, Disposition::Stay(park)).await? {
                    Committed::Refused(signals) => run.deliver(signals),
                    Committed::Stayed(opened) => {
                        let pause = run.opened(opened);
                        if let Some((call, acted)) = flight.next_within(pause).await {
                            land(&mut run, call, acted)?;
                        }
                    }
                    Committed::GoOn | Committed::Left => return None,
                }
                run.next(&engine.registry)
            }
            Action::Transact(call) => {
                let (hold, engine) = (run.hold, Arc::clone(engine));
                let transacted = if call.kind == KindOf::InBatch {
                    flight.alongside(engine.batches.transact(&engine, run, call)).await
                } else {
                    let task = if call.is_leap() {
                        tokio::spawn(leap(Arc::clone(&engine), run, call))
                    } else {
                        tokio::spawn(transact(Arc::clone(&engine), run, call))
                    };
                    match flight.alongside(task).await {
                        Ok(transacted) => transacted,
                        Err(error) => {
                            died(&engine, hold, flight, error).await;
                            Transacted::Left
                        }
                    }
                };
                match transacted {
                    Transacted::Next(driven, next) => {
                        run = *driven;
                        next
                    }
                    Transacted::Left => return None,
                    Transacted::Undone(mut driven, undone) => {
                        while let Some((call, acted)) = flight.next().await {
                            land(&mut driven, call, acted)?;
                        }
                        return Some((*driven, undone));
                    }
                }
            }
            Action::Park(park) => {
                match commit(engine, &mut run, flight, Disposition::Park(park)).await? {
                    Committed::Refused(signals) => {
                        run.deliver(signals);
                        run.next(&engine.registry)
                    }
                    Committed::GoOn | Committed::Left | Committed::Stayed(_) => return None,
                }
            }
            Action::End(end) => {
                match commit(engine, &mut run, flight, Disposition::End(end)).await? {
                    Committed::Refused(signals) => {
                        run.deliver(signals);
                        run.next(&engine.registry)
                    }
                    Committed::GoOn | Committed::Left | Committed::Stayed(_) => return None,
                }
            }
            Action::Stuck(incident) => {
                commit(engine, &mut run, flight, Disposition::Stick(incident)).await;
                return None;
            }
        };
    }
}

/// Takes in what came of a call. `None`: the run is no longer this worker's.
pub(crate) fn land(run: &mut Run, call: Call, acted: Acted) -> Option<()> {
    match acted {
        Acted::Answer(answer) => run.finish(&call, answer),
        Acted::Later { pause, failed, uncertain } => {
            run.try_later(Call { uncertain, ..call }, failed, pause);
        }
        Acted::Stuck(incident) => run.trouble(&call, incident),
        Acted::Lost => return None,
    }
    Some(())
}

/// Commits the intents of those calls that need one, before any of them is made.
async fn commit_intents(
    engine: &Engine,
    run: &mut Run,
    flight: &mut Flight,
    calls: Vec<Call>,
) -> Option<Vec<Call>> {
    let undoes = calls.iter().any(|call| call.role == Role::Undo);
    for call in calls.iter().filter(|call| call.needs_intent()) {
        run.intend(call);
    }
    // A step outside waits for its intent, an undo outside for the decision to undo.
    let early = planted::has("a call does not wait for its intent");
    if !early && (!run.turn.intents.is_empty() || (undoes && !run.turn.rows.is_empty())) {
        commit(engine, run, flight, Disposition::GoOn).await?;
    }
    Some(calls.into_iter().map(Call::recorded).collect())
}

/// Commits the run's turn, while its calls go on. `None`: the run is gone from here, one way or
/// another.
async fn commit(
    engine: &Engine,
    run: &mut Run,
    flight: &mut Flight,
    disposition: Disposition,
) -> Option<Committed> {
    match flight.alongside(submit(engine, Turn::of(run, disposition))).await {
        Ok(committed) => Some(committed),
        Err(None) => None,
        Err(Some(refusal)) => {
            // Nobody shall mend, or undo, what a call is about to do.
            flight.land_all().await;
            let message = format!("the database refuses this run's records: {refusal}");
            let incident = NewIncident::new(IncidentClass::Unwritable, None, &message);
            // Without the records, which nobody can write.
            stick_bare(engine, run.hold, incident).await;
            None
        }
    }
}

/// Submits a turn until it is written; a database that cannot write is no fault of the run.
/// `Err(None)`: the run is no longer this worker's. `Err(Some(_))`: these rows are refused.
async fn submit(engine: &Engine, mut turn: Turn) -> Result<Committed, Option<String>> {
    loop {
        match engine.committer.commit(turn).await {
            Ok(committed) => return Ok(committed),
            Err(CommitError::Lost) => return Err(None),
            Err(CommitError::Refused(message)) => return Err(Some(message)),
            Err(CommitError::Again(same)) => turn = *same,
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// A run whose transaction was rolled back is ahead of its record: what was recorded before the
/// transaction is kept, and the run starts over from there.
async fn rolled_back(engine: &Engine, mut run: Run, undone: Undone) {
    let flight = &mut Flight::default();
    let mut pause = match undone {
        Undone::Lost => return,
        Undone::Stuck(incident) => {
            commit(engine, &mut run, flight, Disposition::Stick(incident)).await;
            return;
        }
        Undone::Unavailable(message) => {
            tracing::warn!(run.id = %run.hold.run_id, message, "no connection for a step");
            Duration::from_millis(500)
        }
        Undone::Cancelled => Duration::ZERO,
        Undone::Together { call, message } => {
            tracing::warn!(run.id = %run.hold.run_id, message, "a batch could not be written");
            // With what has failed before on record, it is tried alone.
            run.count_failure(&call, run.failures(&call), Duration::ZERO);
            Duration::ZERO
        }
        Undone::Failed { call, message } => {
            let tries = run.tries.get(&call.key());
            let failed = tries.map_or(0, |tries| tries.failed).saturating_add(1);
            let elapsed = tries.and_then(|t| (engine.clock().now() - t.since).to_std().ok());
            let policy = engine.registry.code_for(&call.activity).map(|code| code.retry());
            let delay = policy.unwrap_or_default().delay(failed, elapsed.unwrap_or_default());
            let Some(delay) = delay else {
                let class = used_up(&call, false);
                let incident = NewIncident::new(class, None, &message).at(&call);
                commit(engine, &mut run, flight, Disposition::Stick(incident)).await;
                return;
            };
            let (run_id, step) = (run.hold.run_id, &call.step);
            tracing::info!(run.id = %run_id, step.name = step, attempt = failed, message, "retrying");
            run.count_failure(&call, failed, delay);
            delay
        }
    };
    // What was recorded goes out with the first try; signals that refuse it are for the next owner.
    let mut refused = false;
    loop {
        let park = Disposition::Park(Park::pause(pause));
        let Some(Committed::Refused(signals)) = commit(engine, &mut run, flight, park).await else {
            break;
        };
        refused = true;
        run.seen = i32::try_from(signals.len()).unwrap_or(i32::MAX);
        // One of them may be a cancel. The next attempt has a time of its own.
        pause = Duration::ZERO;
    }
    if refused && let Err(error) = mark_for_undo(engine, run.hold.run_id).await {
        tracing::debug!(run.id = %run.hold.run_id, %error, "its own version takes the cancel");
    }
}

/// The next owner of a run that was told to turn back may be a worker that can only undo.
async fn mark_for_undo(engine: &Engine, run_id: Uuid) -> Result<(), sqlx::Error> {
    tasks::mark_for_undo(&mut *engine.hot.acquire().await?, run_id).await
}
