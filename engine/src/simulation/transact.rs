//! Activities in the database, one after the other in one transaction, as `transaction` has them:
//! what they wrote counts with their commit, and a failure takes everything back.

use std::time::Duration;

use super::cell::Effect;
use super::drive::{Held, Sim};
use crate::act::used_up;
use crate::action::{Action, Call, Park};
use crate::activity::ActivityError;
use crate::commit::{Committed, Disposition, Turn};
use crate::incident::{IncidentClass, NewIncident};
use crate::registry::KindOf;
use crate::run::Answer;
use crate::transaction::{disposition, intend};
use crate::workflow::Rejection;

/// Why a transaction was taken back.
pub(super) enum Undone {
    Cancelled,
    Failed(Call, String),
    Stuck(NewIncident),
}

impl Sim {
    /// Runs this activity and those that follow it; `None`: the run has left memory.
    pub(super) fn transact(&mut self, held: &mut Held, first: Call) -> Option<Action> {
        let (before, tries) = (held.run.mark(), held.run.tries.clone());
        if first.is_leap() {
            return self.leap(held, &first);
        }
        let (mut effects, mut call, mut failed, mut done) = (Vec::new(), first, None, 0);
        let action = loop {
            let tried = self.one(held, &call, &mut effects);
            match tried {
                Ok(answer) => held.run.finish(&call, answer),
                Err(undone) if done == 0 || matches!(undone, Undone::Cancelled) => {
                    held.run.return_to(before);
                    held.run.tries = tries;
                    return self.taken_back(held, undone);
                }
                Err(undone) => {
                    failed = Some(undone);
                    break Action::Transact(call.clone());
                }
            }
            done += 1;
            match held.run.next(&self.registry) {
                Action::Transact(next)
                    if next.kind == KindOf::InTransaction && call.kind == next.kind =>
                {
                    call = next;
                }
                other => break other,
            }
        };
        intend(&mut held.run, &action);
        let turn = Turn::of(&mut held.run, disposition(&action));
        if self.dies("death in a transaction") {
            self.bury(held);
            return None;
        }
        let committed = self.cell.commit(&turn, effects, &self.registry)?;
        if self.dies("death after a transaction") {
            self.bury(held);
            return None;
        }
        if let Some(undone) = failed {
            return if matches!(committed, Committed::Left) {
                None
            } else {
                self.taken_back(held, undone)
            };
        }
        match (committed, action) {
            (Committed::Left, _) => None,
            (Committed::Refused(signals), _) => {
                self.meets("refused park");
                held.run.deliver(signals);
                Some(held.run.next(&self.registry))
            }
            (_, Action::Call(calls)) => {
                Some(Action::Call(calls.into_iter().map(Call::recorded).collect()))
            }
            (_, other) => Some(other),
        }
    }

    /// Commits the intent of a pivot outside, unless a cancel came before.
    fn leap(&mut self, held: &mut Held, call: &Call) -> Option<Action> {
        let before = held.run.mark();
        if self.cell.is_cancelled(held.run.hold.run_id) {
            held.run.return_to(before);
            return self.taken_back(held, Undone::Cancelled);
        }
        held.run.intend(call);
        self.commit(held, Disposition::GoOn)?;
        held.run.leaps(call);
        Some(Action::Call(vec![call.clone().recorded()]))
    }

    fn one(
        &mut self,
        held: &mut Held,
        call: &Call,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Undone> {
        if call.is_pivot() && self.cell.is_cancelled(held.run.hold.run_id) {
            return Err(Undone::Cancelled);
        }
        let tries = held.run.failures(call) + 1;
        let (answer, wrote) = self.outside.transact(call);
        let stuck = |class, message: &str| {
            Err(Undone::Stuck(NewIncident::new(class, None, message).at(call)))
        };
        match answer {
            Ok(output) => {
                effects.extend(wrote);
                Ok(Answer { result: Ok(output), tries, doubt: false })
            }
            Err(ActivityError::Rejected { .. }) if call.role.is_compensation() => {
                stuck(IncidentClass::CompensationFailed, "refused")
            }
            Err(ActivityError::Rejected { code, message }) => {
                let (step, code) = (call.step.clone(), code.into_owned());
                Ok(Answer { result: Err(Rejection { step, code, message }), tries, doubt: false })
            }
            Err(ActivityError::Review { class, message }) => {
                stuck(IncidentClass::Review(class), &message)
            }
            Err(error) => Err(Undone::Failed(call.clone(), error.message())),
        }
    }

    /// What was recorded before is kept, and the run starts over from there.
    fn taken_back(&mut self, held: &mut Held, undone: Undone) -> Option<Action> {
        self.meets("rollback");
        while !held.flights.is_empty() {
            self.land(held, 0);
        }
        let run = &mut held.run;
        let mut pause = match undone {
            Undone::Cancelled => {
                self.meets("cancel before the pivot");
                Duration::ZERO
            }
            Undone::Stuck(incident) => {
                self.commit(held, Disposition::Stick(incident));
                return None;
            }
            Undone::Failed(call, message) => {
                let tries = run.tries.get(&call.key());
                let failed = tries.map_or(0, |tries| tries.failed) + 1;
                let since = tries.map_or(self.cell.now, |tries| tries.since);
                let Some(pause) = self.pause(&call, failed, since) else {
                    let incident = NewIncident::new(used_up(&call, false), None, &message);
                    self.commit(held, Disposition::Stick(incident.at(&call)));
                    return None;
                };
                run.count_failure(&call, failed, pause);
                pause
            }
        };
        loop {
            let park = Disposition::Park(Park::pause(pause));
            let Some(Committed::Refused(signals)) = self.commit(held, park) else { return None };
            held.run.seen = i32::try_from(signals.len()).unwrap();
            pause = Duration::ZERO;
        }
    }
}
