//! What to do next with a run that was told everything: call, transact, rest, park, end or undo.

use serde_json::value::{RawValue, to_raw_value};

use super::{Leaving, Mode, Run};
use crate::action::{Action, Call, End, Park, Role};
use crate::children;
use crate::compensate::{self, Unwind};
use crate::ctx::{ChildEnd, Until, WantedStep};
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::{Payload, Phase};
use crate::late::{self, LateStart};
use crate::registry::Registry;

impl Run {
    /// The call of a step that the program asked for.
    pub(super) fn call_for(
        &self,
        step: WantedStep,
        registry: &Registry,
    ) -> Result<Call, NewIncident> {
        let WantedStep { key: (name, occurrence), input, undo, pivot } = step;
        let Some(kind) = registry.kind_of(name) else {
            let message = format!("no activity {name} is registered");
            return Err(NewIncident::new(IncidentClass::NonDeterminism, Some(name), &message));
        };
        let intended = self.journal.is_open(name, occurrence);
        let unrecorded = kind.needs_intent() && !intended;
        let edited = self.journal.edited(name, occurrence, Phase::Forward).cloned();
        Ok(Call {
            activity: name.to_owned(),
            step: name.to_owned(),
            occurrence,
            input: edited.unwrap_or(input),
            role: Role::Step { undo, pivot, unrecorded },
            uncertain: intended,
            kind,
        })
    }

    /// What can be done now: first what is outside, all at once; then what is in the database, one
    /// by one; the pivot when nothing else is left. `None`: nothing can and nothing will.
    pub(super) fn choose(&mut self) -> Option<Action> {
        let now = self.clock.now();
        let ripe = |tries: &crate::action::AllTries, call: &Call| {
            let tries = tries.get(&call.key());
            tries.is_none_or(|t| t.not_before <= now)
        };
        let others = self.wanted.iter().filter(|call| !call.is_pivot()).count() + self.flying.len();
        let mut calls = Vec::new();
        let mut transact = None;
        for call in std::mem::take(&mut self.wanted) {
            let waits_for_others = call.is_pivot() && others > 0;
            if waits_for_others || !ripe(&self.tries, &call) {
                self.wanted.push_back(call);
            } else if !call.kind.in_transaction() && !call.is_leap() {
                calls.push(call);
            } else if transact.is_none() {
                transact = Some(call);
            } else {
                self.wanted.push_back(call);
            }
        }
        if !calls.is_empty() {
            self.wanted.extend(transact);
            self.flying.extend(calls.iter().map(Call::key));
            return Some(Action::Call(calls));
        }
        if let Some(call) = transact {
            return Some(Action::Transact(call));
        }
        let park = self.park();
        let waits_for_something = !self.waits.is_empty() || park.wake.is_some();
        match (self.flying.is_empty(), waits_for_something) {
            (false, true) => Some(Action::Await(Some(park))),
            (false, false) => Some(Action::Await(None)),
            (true, true) => Some(Action::Park(park)),
            (true, false) => None,
        }
    }

    /// All that the run waits for: its waits, and the next attempts of steps that failed.
    fn park(&self) -> Park {
        let waits = self.waits.iter().map(|wait| {
            let key = format!("{}#{}", wait.key.0, wait.key.1);
            let until = self.deadlines.get(&key).map_or(wait.until, |at| Until::At(*at));
            (key, until)
        });
        let waits = Some(waits.collect());
        let attempts = self.wanted.iter().filter_map(|call| self.tries.get(&call.key()));
        let wake = attempts.map(|tries| tries.not_before).min().map(|at| self.pause_until(at));
        Park { waits, wake }
    }

    fn pause_until(&self, at: chrono::DateTime<chrono::Utc>) -> std::time::Duration {
        at.signed_duration_since(self.clock.now()).to_std().unwrap_or_default()
    }

    /// The program has ended: what is under way is waited for, then the run ends or is undone.
    pub(super) fn leave(&mut self) -> Result<Option<Action>, NewIncident> {
        let Mode::Leaving(leaving) = &self.mode else { return Ok(None) };
        match leaving.clone() {
            Leaving::Completed(output) => {
                if self.replay()? {
                    return Ok(None);
                }
                let left = self.choose();
                Ok(Some(left.unwrap_or_else(|| self.end("COMPLETED", Some(output)))))
            }
            Leaving::MadeGood(cause) => {
                self.wanted.clear();
                if !self.flying.is_empty() {
                    return Ok(Some(Action::Await(None)));
                }
                if self.journal.pivoted || self.journal.pivot_is_open() {
                    let message = format!("the program did not wait for its pivot: {cause:?}");
                    let class = IncidentClass::RejectedPastPivot;
                    return Err(NewIncident::new(class, None, &message));
                }
                self.make_good(cause);
                Ok(None)
            }
        }
    }

    pub(super) fn unwind(&mut self, registry: &Registry) -> Result<Action, NewIncident> {
        if !self.flying.is_empty() {
            return Ok(Action::Await(None));
        }
        match compensate::next(self, registry) {
            Unwind::Undo(call) => {
                let tries = self.tries.get(&call.key());
                let pause = tries.map_or_else(Default::default, |t| self.pause_until(t.not_before));
                if !pause.is_zero() {
                    return Ok(Action::Park(Park::pause(pause)));
                }
                if call.kind.in_transaction() {
                    return Ok(Action::Transact(call));
                }
                self.flying.insert(call.key());
                Ok(Action::Call(vec![call]))
            }
            Unwind::Over => Ok(self.end("COMPENSATED", None)),
            Unwind::Impossible { step, message } => {
                Err(NewIncident::new(IncidentClass::CompensationFailed, Some(&step), &message))
            }
        }
    }

    fn end(&self, state: &'static str, output: Option<Payload>) -> Action {
        let cause = self.journal.compensating.as_ref().and_then(|c| to_raw_value(c).ok());
        let late = self.late(output.as_deref().map(RawValue::get));
        Action::End(End { late, ..self.ended(state, output, cause) })
    }

    /// The runs that take the signals which nobody took.
    fn late(&self, output: Option<&str>) -> Vec<LateStart> {
        let late = self.code.late.iter().flat_map(|handler| {
            // Of the engine's own, such as the end of a child that nobody awaited, none is late.
            let sent = self.signals.iter().filter(|signal| !signal.kind.starts_with('$'));
            let left = sent.filter(move |signal| handler.concerns(output, signal));
            left.map(|signal| late::start(handler, self.hold.run_id, &self.input, signal))
        });
        late.collect()
    }

    /// How the run ends, with what its parent is told. The signals that nobody took stay where they
    /// are.
    pub(super) fn ended(
        &self,
        state: &'static str,
        output: Option<Payload>,
        cause: Option<Payload>,
    ) -> End {
        let late = Vec::new();
        let letter = self.parent_run_id.map(|parent| {
            let state = state.to_owned();
            let end = ChildEnd { state, output: output.clone(), cause: cause.clone() };
            children::letter(parent, self.hold.run_id, &end)
        });
        End { state, output, cause, late, letter }
    }

    /// A pivot outside is about to be called: its intent is committed.
    pub(crate) fn leaps(&mut self, call: &Call) {
        self.flying.insert(call.key());
    }

    /// What was chosen is not done now.
    pub(crate) fn put_back(&mut self, action: Action) {
        let calls = match action {
            Action::Call(calls) => calls,
            Action::Transact(call) => vec![call],
            Action::Await(_) | Action::Park(_) | Action::End(_) | Action::Stuck(_) => Vec::new(),
        };
        for call in calls {
            self.landed(&call);
            if !call.role.is_compensation() {
                self.wanted.push_back(call);
            }
        }
    }

    /// The call is answered, or was not made after all.
    pub(super) fn landed(&mut self, call: &Call) {
        self.flying.remove(&call.key());
    }

    /// A call is to be made again later; so many attempts have failed.
    pub(crate) fn try_later(&mut self, call: Call, failed: u32, pause: std::time::Duration) {
        self.landed(&call);
        self.count_failure(&call, failed, pause);
        if !call.role.is_compensation() {
            self.wanted.push_back(call.recorded());
        }
    }

    /// How many attempts of a call have failed.
    pub(crate) fn failures(&self, call: &Call) -> u32 {
        self.tries.get(&call.key()).map_or(0, |tries| tries.failed)
    }

    /// Notes a failed attempt and when the next may be made.
    pub(crate) fn count_failure(&mut self, call: &Call, failed: u32, pause: std::time::Duration) {
        let now = self.clock.now();
        let pause = chrono::TimeDelta::from_std(pause).unwrap_or(chrono::TimeDelta::MAX);
        let not_before = now.checked_add_signed(pause).unwrap_or(now);
        let tries = self.tries.entry(call.key());
        let tries = tries.or_insert(crate::action::Tries { failed, since: now, not_before });
        (tries.failed, tries.not_before) = (failed, not_before);
    }

    /// A person must look, as soon as no call is under way.
    pub(crate) fn trouble(&mut self, call: &Call, incident: NewIncident) {
        self.landed(call);
        self.trouble.get_or_insert(incident);
    }
}
