//! Faults in activities, on purpose: which call of which activity goes wrong, and how.
//! Knows no database and no run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::activity::{ActivityError, ActivityResult, Attempt, Resolution};
use crate::journal::Payload;
use crate::registry::{ActivityCode, Answers, KindOf, Registry};
use crate::retry::RetryPolicy;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Disturbance {
    /// It is refused for good, without effect.
    Refused,
    /// It fails so many times, without effect.
    Fails(u32),
    /// It has its effect and its answer is lost; in a transaction, everything is rolled back.
    AnswerLost,
}

/// A call, from 1, of an activity, and how it goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) activity: String,
    pub(crate) call: u32,
    pub(crate) disturbance: Disturbance,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { activity, call, disturbance } = self;
        match disturbance {
            Disturbance::Refused => write!(f, "{activity}#{call}: refused"),
            Disturbance::Fails(1) => write!(f, "{activity}#{call}: fails once"),
            Disturbance::Fails(times) => write!(f, "{activity}#{call}: fails {times} times"),
            Disturbance::AnswerLost => write!(f, "{activity}#{call}: done, and its answer lost"),
        }
    }
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) activity: &'static str,
    pub(crate) call: u32,
    /// How often its policy lets it be tried.
    pub(crate) max_attempts: u32,
    /// It answered with a result.
    pub(crate) answered: bool,
}

/// What goes wrong in one world, and which calls were made there.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    targets: Vec<Target>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<&'static str, u32>,
    made: Vec<Made>,
    /// How often each target was hit.
    hits: BTreeMap<usize, u32>,
}

impl Plan {
    pub(crate) fn new(targets: Vec<Target>) -> Arc<Self> {
        Arc::new(Self { targets, state: Mutex::default() })
    }

    /// A registry in which everything goes by this plan.
    pub(crate) fn apply(self: &Arc<Self>, registry: Registry) -> Registry {
        registry.wrapped(|name, code| Arc::new(Planned { name, code, plan: Arc::clone(self) }))
    }

    /// The calls that were made, in their order.
    pub(crate) fn made(&self) -> Vec<Made> {
        self.state.lock().made.clone()
    }

    /// Whether everything that should go wrong did.
    pub(crate) fn was_met(&self) -> bool {
        self.state.lock().hits.len() == self.targets.len()
    }

    fn count(&self, activity: &'static str) -> u32 {
        let mut state = self.state.lock();
        let calls = state.calls.entry(activity).or_default();
        *calls = calls.saturating_add(1);
        *calls
    }

    /// Whether this goes wrong in this way now.
    fn strikes(&self, activity: &str, call: u32, of: impl Fn(Disturbance) -> bool) -> bool {
        let found = self.targets.iter().position(|target| {
            target.activity == activity && call >= target.call && of(target.disturbance)
        });
        let Some((index, target)) = found.and_then(|i| Some((i, self.targets.get(i)?))) else {
            return false;
        };
        let limit = match target.disturbance {
            // A refusal that is taken back is repeated: it is for good.
            Disturbance::Refused => u32::MAX,
            Disturbance::Fails(times) => times,
            Disturbance::AnswerLost => 1,
        };
        let mut state = self.state.lock();
        let hits = state.hits.entry(index).or_default();
        let strikes = *hits < limit;
        *hits = hits.saturating_add(u32::from(strikes));
        strikes
    }

    fn fails_before(&self, activity: &'static str, call: u32) -> ActivityResult<()> {
        if self.strikes(activity, call, |how| how == Disturbance::Refused) {
            return Err(ActivityError::rejected("REFUSED_BY_THE_TEST"));
        }
        if self.strikes(activity, call, |how| matches!(how, Disturbance::Fails(_))) {
            return Err(ActivityError::retryable("the test lets it fail"));
        }
        Ok(())
    }

    fn loses_answer(&self, activity: &'static str, call: u32) -> bool {
        self.strikes(activity, call, |how| how == Disturbance::AnswerLost)
    }
}

/// An activity that goes by a plan.
struct Planned {
    name: &'static str,
    code: Arc<dyn ActivityCode>,
    plan: Arc<Plan>,
}

impl Planned {
    fn note(&self, call: u32, answer: &ActivityResult<Payload>) {
        let answered = answer.is_ok();
        let max_attempts = self.code.retry().max_attempts;
        let made = Made { activity: self.name, call, max_attempts, answered };
        self.plan.state.lock().made.push(made);
    }
}

impl ActivityCode for Planned {
    fn kind(&self) -> KindOf {
        self.code.kind()
    }

    /// As often as its own policy says, but soon. A lost answer, which may be that of a worker that
    /// died, is none of the attempts that its policy counts.
    fn retry(&self) -> RetryPolicy {
        let own = self.code.retry();
        let lost = |t: &Target| t.activity == self.name && t.disturbance == Disturbance::AnswerLost;
        let more = u32::from(self.plan.targets.iter().any(lost));
        RetryPolicy {
            initial: Duration::from_millis(1),
            cap: Duration::from_millis(5),
            max_attempts: own.max_attempts.saturating_add(more),
            ..own
        }
    }

    fn timeout(&self) -> Duration {
        self.code.timeout()
    }

    fn heartbeat(&self) -> Option<Duration> {
        self.code.heartbeat()
    }

    fn transact<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async move {
            let call = self.plan.count(self.name);
            let done = self.code.transact(tx, input).await;
            self.note(call, &done);
            let output = done?;
            // What it wrote is rolled back, whatever it is told.
            self.plan.fails_before(self.name, call)?;
            if self.plan.loses_answer(self.name, call) {
                return Err(ActivityError::retryable("the test rolls it back"));
            }
            Ok(output)
        })
    }

    /// What is refused or fails here is kept from the batch: a refused input has no effect.
    fn transact_all<'a>(
        &'a self,
        tx: &'a mut PgConnection,
        inputs: &'a [Payload],
    ) -> BoxFuture<'a, ActivityResult<Answers>> {
        Box::pin(async move {
            let calls: Vec<u32> = inputs.iter().map(|_| self.plan.count(self.name)).collect();
            let verdicts: Vec<ActivityResult<()>> =
                calls.iter().map(|call| self.plan.fails_before(self.name, *call)).collect();
            let kept = inputs.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok());
            let kept: Vec<Payload> = kept.map(|(input, _)| input.clone()).collect();
            let done = match kept.as_slice() {
                [] => Vec::new(),
                kept => self.code.transact_all(tx, kept).await?,
            };
            let lost = calls
                .iter()
                .zip(&verdicts)
                .any(|(call, verdict)| verdict.is_ok() && self.plan.loses_answer(self.name, *call));
            if lost {
                return Err(ActivityError::retryable("the test rolls it back"));
            }
            let mut done = done.into_iter();
            let short = || Err(ActivityError::retryable("the batch gave too few answers"));
            let answers = verdicts.into_iter().zip(calls).map(|(verdict, call)| {
                let answer = verdict.and_then(|()| done.next().unwrap_or_else(short));
                self.note(call, &answer);
                answer
            });
            Ok(answers.collect())
        })
    }

    fn call<'a>(
        &'a self,
        attempt: Attempt,
        input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async move {
            let call = self.plan.count(self.name);
            self.plan.fails_before(self.name, call)?;
            let done = self.code.call(attempt, input).await;
            self.note(call, &done);
            let output = done?;
            if self.plan.loses_answer(self.name, call) {
                return Err(ActivityError::unknown("the test loses its answer"));
            }
            Ok(output)
        })
    }

    fn resolve<'a>(
        &'a self,
        attempt: Attempt,
        input: &'a Payload,
    ) -> BoxFuture<'a, ActivityResult<Resolution<Payload>>> {
        self.code.resolve(attempt, input)
    }
}
