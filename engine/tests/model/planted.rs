//! Whether the checker could tell: records with a planted fault, one for each class of promise.

use makegood::Cancellation;
use serde_json::json;
use uuid::Uuid;

use crate::chance;
use crate::check::faults;
use crate::drive::drive;
use crate::facts::Facts;
use crate::program::{Case, Kind};
use crate::storm::Weather;
use crate::support::TestCell;
use crate::world::Told;

/// Plants a fault in a case; `false` when it has no place for it.
type Plant = fn(&mut Facts, Uuid, &Case) -> bool;

const PLANTS: &[(&str, Plant)] = &[
    ("an undo that is skipped", skipped_undo),
    ("an undo that is recorded and not made", unmade_undo),
    ("undos in another order", reordered_undos),
    ("an effect made twice in the database", doubled_note),
    ("an effect made twice outside", doubled_booking),
    ("a step behind the pivot that is lost", lost_behind_pivot),
    ("a signal that is dropped", dropped_signal),
    ("a late signal that is dropped", dropped_late_signal),
    ("an acknowledged signal that is gone", lost_signal),
    ("a cancel that is forgotten", forgotten_cancel),
    ("a run made good for no reason", undone_for_nothing),
    ("another output", other_output),
    ("a child that is started twice", doubled_child),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_fault_is_found() {
    crate::hush();
    let first = 50_000_000;
    let cases: Vec<Case> = (first..first + 250).map(chance::case).collect();
    let cell = TestCell::new().await;
    let facts = drive(&cell, &cases, Weather::Calm, first).await;
    for case in &cases {
        assert_eq!(faults(&facts, case), [""; 0], "nothing is planted yet: seed {}", case.seed);
    }
    let apart: Vec<(Uuid, Facts)> = cases.iter().map(|case| facts.of(&case.program.case)).collect();
    for (what, plant) in PLANTS {
        let mut planted = 0;
        for (case, (run_id, facts)) in cases.iter().zip(&apart) {
            let mut doctored = facts.clone();
            if plant(&mut doctored, *run_id, case) {
                planted += 1;
                let found = faults(&doctored, case);
                assert_ne!(found, [""; 0], "{what} is found: seed {}", case.seed);
            }
        }
        assert!(planted > 0, "there is a place for {what}");
    }
}

fn at(facts: &Facts, run_id: Uuid, kind: &str) -> Option<usize> {
    facts.records.get(&run_id)?.iter().rposition(|row| row.kind == kind)
}

fn skipped_undo(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let Some(at) = at(facts, run_id, "undone") else { return false };
    facts.records.get_mut(&run_id).unwrap().remove(at);
    true
}

fn unmade_undo(facts: &mut Facts, run_id: Uuid, case: &Case) -> bool {
    let Some(at) = at(facts, run_id, "undone") else { return false };
    let Some(op) = facts.records[&run_id][at].result.clone().and_then(|op| op.as_u64()) else {
        return false;
    };
    let place = (case.program.case.clone(), u32::try_from(op).unwrap());
    facts.undone.remove(&place);
    facts.effects.entry(place).or_default().retain(|what| what != "-");
    true
}

fn reordered_undos(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let Some(last) = at(facts, run_id, "undone") else { return false };
    let rows = facts.records.get_mut(&run_id).unwrap();
    if rows[last - 1].kind != "undone" {
        return false;
    }
    rows.swap(last - 1, last);
    true
}

/// A step of this kind that is done, of a run that has not undone it.
fn done(facts: &Facts, run_id: Uuid, case: &Case, kinds: &[Kind]) -> Option<(String, u32)> {
    let rows = facts.records.get(&run_id)?;
    let steps = case.program.steps();
    let is_done = |op: u32| rows.iter().any(|r| r.kind == "done" && r.result == Some(json!(op)));
    let step = steps.iter().find(|step| kinds.contains(&step.kind) && is_done(step.op))?;
    Some((case.program.case.clone(), step.op))
}

fn doubled_note(facts: &mut Facts, run_id: Uuid, case: &Case) -> bool {
    let Some(place) = done(facts, run_id, case, &[Kind::Tx, Kind::Batch]) else { return false };
    facts.effects.entry(place).or_default().push("+".to_owned());
    true
}

fn doubled_booking(facts: &mut Facts, run_id: Uuid, case: &Case) -> bool {
    let Some(place) = done(facts, run_id, case, &[Kind::Out]) else { return false };
    facts.bookings.entry(place).or_default().push(format!("{run_id}:out:99"));
    true
}

fn lost_behind_pivot(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let Some(rows) = facts.records.get_mut(&run_id) else { return false };
    let Some(pivot) = rows.iter().position(|row| row.pivot) else { return false };
    let last = rows.iter().rposition(|row| row.kind == "done").unwrap_or(pivot);
    if last > pivot {
        rows.remove(last);
    }
    last > pivot
}

fn dropped_signal(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let Some(at) = at(facts, run_id, "signal") else { return false };
    let row = &mut facts.records.get_mut(&run_id).unwrap()[at];
    (row.kind, row.result) = ("timeout".to_owned(), None);
    true
}

fn dropped_late_signal(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let letters = facts.signals.get(&run_id).into_iter().flatten();
    let ids: Vec<String> = letters.map(|letter| format!("{run_id}:{}", letter.id)).collect();
    let found = ids.into_iter().find_map(|id| facts.ids.remove(&("afterwards".to_owned(), id)));
    found.is_some()
}

fn lost_signal(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let Some(letters) = facts.signals.get_mut(&run_id) else { return false };
    let sent = letters.iter().position(|letter| !letter.kind.starts_with('$'));
    sent.map(|at| letters.remove(at)).is_some()
}

fn forgotten_cancel(facts: &mut Facts, run_id: Uuid, case: &Case) -> bool {
    let is_refused = at(facts, run_id, "refused").is_some();
    if facts.runs[&run_id].state != "COMPLETED" || is_refused {
        return false;
    }
    let (case, cancellation) = (case.program.case.clone(), Cancellation::Requested);
    let told = facts.told.entry(case.clone()).or_default();
    told.push(Told::Cancel { case, cancellation });
    true
}

fn undone_for_nothing(facts: &mut Facts, run_id: Uuid, case: &Case) -> bool {
    let cancelled = facts.records.get(&run_id).is_some_and(|r| r.iter().any(|r| r.is_cancel()));
    cancelled && facts.told.remove(&case.program.case).is_some()
}

fn other_output(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let run = facts.runs.get_mut(&run_id).unwrap();
    run.output = run.output.as_ref().map(|_| json!("something else"));
    run.output.is_some()
}

fn doubled_child(facts: &mut Facts, run_id: Uuid, _: &Case) -> bool {
    let Some(children) = facts.children.get_mut(&run_id) else { return false };
    children.push(Uuid::nil());
    true
}
