//! Calls of activities outside the database: looked up, tried, classified, tried again.

use std::time::{Duration, Instant};

use crate::action::{Call, Hold, Role, Tries};
use crate::activity::{ActivityError, Attempt, Resolution};
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::Payload;
use crate::registry::{ActivityCode, KindOf};
use crate::run::Answer;
use crate::runtime::Engine;
use crate::workflow::Rejection;

/// The shortest pause before something that was not tried is tried.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// What came of a call.
pub(crate) enum Acted {
    /// It is answered.
    Answer(Answer),
    /// It is to be tried again after a pause too long for memory.
    Later { pause: Duration, failed: u32, uncertain: bool },
    /// A person must look.
    Stuck(NewIncident),
    /// The run may no longer be this worker's.
    Lost,
}

/// Calls an activity outside, with the retries that are short enough to wait for in memory.
/// `tries` are the attempts that failed before.
pub(crate) async fn act(engine: &Engine, hold: Hold, call: &Call, tries: Option<Tries>) -> Acted {
    let stuck =
        |class, message: &str| Acted::Stuck(NewIncident::new(class, None, message).at(call));
    let Some(code) = engine.registry.code_for(&call.activity) else {
        let message = format!("no activity {} is registered", call.activity);
        return stuck(IncidentClass::NonDeterminism, &message);
    };
    let since = tries.as_ref().map_or_else(|| engine.clock().now(), |tries| tries.since);
    let mut failed = tries.map_or(0, |tries| tries.failed);
    let mut uncertain = call.uncertain;
    let mut ever_uncertain = call.uncertain;
    loop {
        // A worker that may have been declared dead must not touch the world.
        if !engine.lease.is_ours(hold.incarnation) {
            return Acted::Lost;
        }
        let number = failed.saturating_add(1);
        let idempotency_key = call.idempotency_key(hold.run_id);
        let attempt = Attempt::new(hold.run_id, number, idempotency_key);
        let started = Instant::now();
        let answer = once(code.as_ref(), attempt, call, &mut uncertain).await;
        Engine::count_step(call, answer.as_ref().err());
        metrics::histogram!("makegood_step_seconds", "activity" => call.activity.clone())
            .record(started.elapsed());
        let (message, after) = match answer {
            Ok(output) => match too_large(&output, engine.config.payload_limit) {
                Some(message) => return stuck(IncidentClass::Unwritable, &message),
                None => {
                    let result = Ok(output);
                    return Acted::Answer(Answer { result, tries: number, doubt: false });
                }
            },
            Err(ActivityError::Rejected { code, message }) if call.role.is_compensation() => {
                let message = format!("{} was refused: {code}: {message}", call.activity);
                return stuck(IncidentClass::CompensationFailed, &message);
            }
            Err(ActivityError::Rejected { code, message }) => {
                let (step, code) = (call.step.clone(), code.into_owned());
                let result = Err(Rejection { step, code, message });
                return Acted::Answer(Answer { result, tries: number, doubt: ever_uncertain });
            }
            Err(ActivityError::Review { class, message }) => {
                return stuck(IncidentClass::Review(class), &message);
            }
            Err(ActivityError::NotTried { message, after }) => {
                tracing::debug!(run.id = %hold.run_id, step.name = call.step, message, "not tried");
                let pause = after.max(LEAST_PAUSE);
                if pause > engine.config.short_wait || engine.pause(pause).await.is_err() {
                    return Acted::Later { pause, failed, uncertain: ever_uncertain };
                }
                continue;
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
        ever_uncertain |= uncertain;
        let elapsed = engine.clock().now().signed_duration_since(since).to_std();
        let Some(pause) = code.retry().delay(number, elapsed.unwrap_or_default()) else {
            return stuck(used_up(call, uncertain), &message);
        };
        let pause = pause.max(after.unwrap_or_default());
        tracing::info!(
            run.id = %hold.run_id, step.name = call.step, attempt = number, message, uncertain,
            "an attempt failed",
        );
        failed = number;
        if pause > engine.config.short_wait || engine.pause(pause).await.is_err() {
            return Acted::Later { pause, failed, uncertain: ever_uncertain };
        }
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
    if *uncertain && !planted::has("an unknown outcome is not looked up") {
        let looked_up = tokio::time::timeout(limit, code.resolve(attempt.clone(), &call.input));
        match looked_up.await.unwrap_or_else(|_| Err(timed_out()))? {
            Resolution::Done(output) => return Ok(output),
            Resolution::TryAgain => *uncertain = false,
        }
    }
    fault::point("before the call of", &call.activity);
    let pulse = attempt.pulse();
    let called = tokio::time::timeout(limit, code.call(attempt, &call.input));
    let answer = match code.heartbeat() {
        None => called.await.unwrap_or_else(|_| Err(timed_out())),
        Some(silence) => tokio::select! {
            answer = called => answer.unwrap_or_else(|_| Err(timed_out())),
            () = pulse.stopped(silence) => {
                Err(ActivityError::unknown(format!("no heartbeat within {silence:?}")))
            }
        },
    };
    fault::point("after the call of", &call.activity);
    answer
}

/// Why a result cannot be recorded, if it cannot.
pub(crate) fn too_large(output: &Payload, limit: usize) -> Option<String> {
    let size = output.get().len();
    (size > limit).then(|| format!("its result has {size} bytes, the limit is {limit}"))
}

/// The class of an incident of a call that was tried as often as its policy allows.
pub(crate) fn used_up(call: &Call, uncertain: bool) -> IncidentClass {
    match call.role {
        Role::Undo | Role::Closing => IncidentClass::CompensationFailed,
        Role::Step { .. } if uncertain => IncidentClass::UnknownOutcome,
        Role::Step { .. } => IncidentClass::RetriesUsedUp,
    }
}
