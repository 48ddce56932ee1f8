//! One seed from its start to its end, what happened on the way, and what the model says of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::drive::Sim;
use super::facts::{Facts, Letter};
use super::{chance, check};
use crate::config::WorkerConfig;

/// What every thousand seeds meet; a run of the simulation that does not is none.
pub(super) const MOMENTS: &[&str] = &[
    "answer",
    "call that outlives its worker",
    "cancel before the pivot",
    "claim",
    "death after a commit",
    "death after a transaction",
    "death at rest",
    "death before a commit",
    "death in a transaction",
    "drain",
    "event",
    "landing",
    "lost answer",
    "mail",
    "refused park",
    "repair",
    "rollback",
    "time passes",
];

pub(super) struct Story {
    pub(super) moves: Vec<String>,
    pub(super) met: BTreeMap<&'static str, u64>,
    pub(super) lasted_ms: i64,
    pub(super) faults: Vec<String>,
    facts: Facts,
}

impl Story {
    /// Plays a seed. Cases of other names are told apart in the world, which all share.
    pub(super) fn of(seed: u64, name: &str) -> Self {
        let mut case = chance::case(seed);
        let program = serde_json::to_string(&case.program).unwrap();
        let (old, new) = (format!("\"case\":\"c{seed}"), format!("\"case\":\"c{seed}{name}"));
        case.program = serde_json::from_str(&program.replace(&old, &new)).unwrap();
        let mut sim = Sim::new(&case, seed, WorkerConfig::default());
        let began = sim.cell.now;
        let played = sim.play(&case);
        let facts = gather(&mut sim, &case.program.case);
        let mut faults = check::faults(&facts, &case);
        faults.extend(played.err());
        faults.extend(sim.cell.wrongs.iter().cloned());
        let lasted_ms = (sim.cell.now - began).num_milliseconds();
        Self { moves: sim.moves, met: sim.met, lasted_ms, faults, facts }
    }

    /// The moves, the records and what is wrong with them.
    pub(super) fn told(&self) -> String {
        let mut text = self.moves.join("\n");
        for (run_id, run) in &self.facts.runs {
            let (name, state) = (&run.workflow, &run.state);
            let _ = write!(text, "\n{run_id} {name} {state} {:?} {:?}", run.output, run.cause);
            for row in self.facts.records.get(run_id).into_iter().flatten() {
                let (kind, name, occurrence) = (&row.kind, &row.name, row.occurrence);
                let result = row.result.as_ref().map(ToString::to_string).unwrap_or_default();
                let _ = write!(text, "\n  {kind} {name}#{occurrence} {result}");
                for intent in &row.next {
                    let _ = write!(text, " -> {}#{}", intent.name, intent.occurrence);
                }
            }
        }
        let _ = write!(text, "\n{:#?}", self.faults);
        text
    }
}

/// Everything that is found when all has ended.
fn gather(sim: &mut Sim, case: &str) -> Facts {
    let mut facts = Facts::default();
    for run in &sim.cell.runs {
        let id: Uuid = run.run_id;
        facts.ids.insert((run.workflow.clone(), run.workflow_id.clone()), id);
        if let Some(parent) = run.parent {
            facts.children.entry(parent).or_default().push(id);
        }
        facts.runs.insert(id, run.run());
        facts.records.insert(id, run.rows());
        facts.published.insert(id, run.published.clone());
        facts.incidents.insert(id, run.incidents.clone());
        let letter =
            |s: &crate::action::StoredSignal| Letter { id: s.id.clone(), kind: s.kind.clone() };
        facts.signals.insert(id, run.signals.iter().map(letter).collect());
    }
    for (place, what) in sim.cell.effects.drain(..) {
        facts.effects.entry(place).or_default().push(what);
    }
    for (key, place) in &sim.outside.booked {
        facts.bookings.entry(place.clone()).or_default().push(key.clone());
    }
    facts.undone.clone_from(&sim.outside.undone);
    facts.told.insert(case.to_owned(), std::mem::take(&mut sim.told));
    for (case, wrong) in sim.outside.wrongs.drain(..) {
        facts.wrongs.entry(case).or_default().push(wrong);
    }
    facts
}

/// JSON of a text.
pub(super) fn text(text: &str) -> crate::journal::Payload {
    to_raw_value(text).unwrap()
}
