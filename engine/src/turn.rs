//! How a run is driven: poll it until it wants something done; commit; then act.
//!
//! What is durable at each point: before an outside effect, its intent (of a step), or the decision
//! to undo (of an undo), and every result before it; when a run leaves memory, everything. What was
//! done and not committed is done again by the next owner, which is why effects outside carry an
//! idempotency key and reads need none.

use std::sync::Arc;
use std::time::Duration;

use crate::act::{Acted, act, used_up};
use crate::action::{Action, Park, Role};
use crate::commit::{CommitError, Committed, Disposition, Turn};
use crate::ctx::Until;
use crate::incident::{IncidentClass, NewIncident};
use crate::run::Run;
use crate::runtime::Engine;
use crate::transaction::{Transacted, Undone, transact};

/// Drives a claimed run until it leaves this worker's memory.
pub(crate) async fn drive(engine: Arc<Engine>, mut run: Run) {
    let hold = run.hold;
    let mut action = run.next(&engine.registry);
    loop {
        if engine.is_draining() && matches!(action, Action::Call(_) | Action::Transact(_)) {
            // Handed back at once, with what it has done so far.
            action = Action::Park(pause(Duration::ZERO, run.attempt));
        }
        action = match action {
            Action::Call(call) if needs_commit(&run, &call.role) => {
                run.intend(&call);
                match commit(&engine, &mut run, Disposition::GoOn).await {
                    Some(_) => Action::Call(call.recorded()),
                    None => return,
                }
            }
            Action::Call(call) => match act(&engine, &mut run, &call).await {
                Acted::Answer(answer) => {
                    run.finish(&call, answer);
                    run.next(&engine.registry)
                }
                Acted::Later(delay, attempt) => Action::Park(pause(delay, attempt)),
                Acted::Stuck(incident) => Action::Stuck(incident),
                Acted::Lost => return,
            },
            // Attempts are counted since the last commit: those of the steps before are not its own.
            Action::Transact(call) if run.attempt > 0 && !run.rows.is_empty() => {
                match commit(&engine, &mut run, Disposition::GoOn).await {
                    Some(_) => Action::Transact(call),
                    None => return,
                }
            }
            Action::Transact(call) => {
                match tokio::spawn(transact(Arc::clone(&engine), run, call)).await {
                    Ok(Transacted::Next(driven, next)) => {
                        run = driven;
                        next
                    }
                    Ok(Transacted::Left) => return,
                    Ok(Transacted::Undone(run, undone)) => {
                        return rolled_back(&engine, run, undone).await;
                    }
                    Err(error) => {
                        // Its run went with it: only the end of the incarnation frees it.
                        tracing::error!(run.id = %hold.run_id, %error, "a transaction's task died");
                        return engine.lease.lose(hold.incarnation);
                    }
                }
            }
            Action::Park(park) => {
                match commit(&engine, &mut run, Disposition::Park(park.clone())).await {
                    Some(Committed::Refused(signals)) => {
                        let unwinding = run.is_unwinding();
                        run.deliver(signals);
                        // A pause before another attempt goes on, unless the run was cancelled or
                        // an operator wants something of it.
                        let same = run.is_unwinding() == unwinding && !run.is_ordered();
                        if park.wait.is_none() && same {
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

/// A step outside waits for its intent, an undo outside for the decision to undo.
fn needs_commit(run: &Run, role: &Role) -> bool {
    match role {
        Role::Step { unrecorded, .. } => *unrecorded,
        Role::Undo => !run.rows.is_empty(),
        Role::Closing => false,
    }
}

fn pause(delay: Duration, attempt: u32) -> Park {
    Park { until: Until::After(delay), wait: None, attempt }
}

/// Commits the run's turn. `None`: the run is gone from here, one way or another.
async fn commit(engine: &Engine, run: &mut Run, disposition: Disposition) -> Option<Committed> {
    match submit(engine, Turn::of(run, disposition)).await {
        Ok(committed) => {
            run.attempt = 0;
            Some(committed)
        }
        Err(None) => None,
        Err(Some(refusal)) => {
            let message = format!("the database refuses this run's records: {refusal}");
            let incident = NewIncident::new(IncidentClass::Unwritable, None, &message);
            // Without the records, which nobody can write.
            if submit(engine, Turn::bare(run, incident)).await.is_err_and(|e| e.is_some()) {
                tracing::error!(run.id = %run.hold.run_id, refusal, "an incident was refused too");
                engine.lease.lose(run.hold.incarnation);
            }
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
    let (delay, attempt) = match undone {
        Undone::Lost => return,
        Undone::Stuck(incident) => {
            commit(engine, &mut run, Disposition::Stick(incident)).await;
            return;
        }
        Undone::Unavailable(message) => {
            tracing::warn!(run.id = %run.hold.run_id, message, "no connection for a step");
            (Duration::from_millis(500), run.attempt)
        }
        Undone::Cancelled => (Duration::ZERO, run.attempt),
        Undone::Failed { call, message } => {
            let attempt = run.attempt.saturating_add(1);
            let policy = engine.registry.code_for(&call.activity).map(|code| code.retry());
            let Some(delay) = policy.unwrap_or_default().delay(attempt) else {
                let class = used_up(&call, false);
                let incident = NewIncident::new(class, None, &message).at(&call);
                commit(engine, &mut run, Disposition::Stick(incident)).await;
                return;
            };
            let (run_id, step) = (run.hold.run_id, &call.step);
            tracing::info!(run.id = %run_id, step.name = step, attempt, message, "retrying");
            (delay, attempt)
        }
    };
    // What was recorded goes out with the first try; signals that refuse it are for the next owner.
    loop {
        let park = Disposition::Park(pause(delay, attempt));
        let Some(Committed::Refused(signals)) = commit(engine, &mut run, park).await else {
            return;
        };
        run.seen = i32::try_from(signals.len()).unwrap_or(i32::MAX);
    }
}
