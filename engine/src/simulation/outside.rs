//! The world outside, and what each call does there: the activities of the model, told by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::acts::Task;
use super::cell::Effect;
use super::program::{Deed, Kind, Mishap, StepOp};
use crate::action::{Call, Role};
use crate::activity::{ActivityError, ActivityResult};
use crate::journal::Payload;

type Place = (String, u32);

#[derive(Default)]
pub(super) struct Outside {
    tried: HashMap<(Place, bool), usize>,
    pub(super) booked: BTreeMap<String, Place>,
    pub(super) undone: BTreeSet<Place>,
    pub(super) deeds: BTreeSet<Place>,
    pub(super) wrongs: Vec<(String, String)>,
}

/// A call of the model's, read.
struct Job {
    task: Task,
    undoing: bool,
}

impl Job {
    fn of(call: &Call) -> Self {
        let input: Value = serde_json::from_str(call.input.get()).unwrap();
        let undoing = call.role == Role::Undo;
        let task = if undoing { input["input"].clone() } else { input };
        Self { task: serde_json::from_value(task).unwrap(), undoing }
    }
}

fn done(op: u32) -> Payload {
    to_raw_value(&op).unwrap()
}

/// What a mishap says; a panic is an error of its attempt.
fn answer(mishap: Mishap) -> ActivityError {
    match mishap {
        Mishap::Retryable => ActivityError::retryable("try again"),
        Mishap::Unknown | Mishap::Half | Mishap::Panic => ActivityError::unknown("who knows"),
        Mishap::Review => ActivityError::review("odd", "a person must look"),
        Mishap::Rejected => ActivityError::rejected("ONCE"),
    }
}

fn refused(step: &StepOp) -> ActivityResult<()> {
    if step.rejects { Err(ActivityError::rejected("NO")) } else { Ok(()) }
}

impl Outside {
    /// The mishap of the next attempt.
    fn try_once(&mut self, Job { task, undoing }: &Job) -> Option<Mishap> {
        let place = (task.case.clone(), task.step.op);
        let count = self.tried.entry((place, *undoing)).or_default();
        let mishaps = if *undoing { &task.step.undo_mishaps } else { &task.step.mishaps };
        let mishap = mishaps.get(*count).copied();
        *count += 1;
        mishap
    }

    /// An activity in the database; what it writes counts only with its commit.
    pub(super) fn transact(&mut self, call: &Call) -> (ActivityResult<Payload>, Vec<Effect>) {
        if call.role == Role::Closing {
            let ended: Value = serde_json::from_str(call.input.get()).unwrap();
            let undone = ended["undone"].as_array().unwrap();
            let said: Vec<Value> =
                undone.iter().map(|u| json!([u["step"], u["occurrence"], u["answer"]])).collect();
            let case = ended["input"]["case"].as_str().unwrap().to_owned();
            return (Ok(done(0)), vec![((case, 0), json!(said).to_string())]);
        }
        let job = Job::of(call);
        let mishap = self.try_once(&job);
        let Job { task, undoing } = job;
        let result = match mishap {
            Some(mishap) => Err(answer(mishap)),
            None if undoing => Ok(done(task.step.op)),
            None => refused(&task.step).map(|()| done(task.step.op)),
        };
        let what = if undoing { "-" } else { "+" };
        let effects = match result {
            Ok(_) => vec![((task.case, task.step.op), what.to_owned())],
            Err(_) => Vec::new(),
        };
        (result, effects)
    }

    /// What else a call does to its own run, the first time.
    pub(super) fn deed(&mut self, call: &Call) -> Option<(String, u32, Deed)> {
        let Role::Step { .. } = call.role else { return None };
        let Job { task: Task { case, step }, .. } = Job::of(call);
        let deed = step.deed.filter(|_| matches!(step.kind, Kind::Out | Kind::Read))?;
        self.deeds.insert((case.clone(), step.op)).then_some((case, step.op, deed))
    }

    /// An activity outside: its effect happens here and now.
    pub(super) fn call(&mut self, call: &Call, key: &str) -> ActivityResult<Payload> {
        let job = Job::of(call);
        let mishap = self.try_once(&job);
        let Job { task: Task { case, step }, undoing } = job;
        let none_at_all = |m: &Mishap| *m != Mishap::Half || (step.kind == Kind::Read && !undoing);
        if let Some(mishap) = mishap.filter(none_at_all) {
            return Err(answer(mishap));
        }
        let place = (case, step.op);
        if undoing {
            self.undone.insert(place);
        } else {
            refused(&step)?;
            if step.kind == Kind::Out && !self.undone.contains(&place) {
                self.booked.insert(key.to_owned(), place);
            }
        }
        mishap.map_or_else(|| Ok(done(step.op)), |mishap| Err(answer(mishap)))
    }

    /// Looks an earlier attempt up.
    pub(super) fn resolve(&self, call: &Call, key: &str) -> Option<Payload> {
        let is_step = matches!(call.role, Role::Step { .. });
        (is_step && self.booked.contains_key(key)).then(|| done(Job::of(call).task.step.op))
    }
}
