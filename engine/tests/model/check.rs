//! Compares what was found of a run with the model of its program: every row of the record must
//! be one that the model allows at that point, and everything else must follow from the record.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::acts::undo_name;
use super::facts::{Facts, Row, Run};
use super::machine::{ANY_ID, Asked, Failing, Given, Halt, Key, Machine};
use super::program::{Case, Kind, Mishap, Program, StepOp, Word};
use super::world::Told;

/// A worker's estimate of the database's clock may be off by so much.
const CLOCKS_MS: i64 = 200;

/// What is wrong with a case; empty when it is as the model says.
pub fn faults(facts: &Facts, case: &Case) -> Vec<String> {
    let Some(run_id) = facts.run_of("script", &case.program.case) else {
        return vec!["the run is gone".to_owned()];
    };
    let mut faults = Vec::new();
    check_run(facts, &case.program, run_id, Some(case), &mut faults);
    faults
}

fn check_run(
    facts: &Facts,
    program: &Program,
    run_id: Uuid,
    case: Option<&Case>,
    faults: &mut Vec<String>,
) {
    let Some(run) = facts.runs.get(&run_id) else {
        faults.push(format!("{}: the run is gone", program.case));
        return;
    };
    let rows = facts.records.get(&run_id).map_or(&[][..], Vec::as_slice);
    let mut check = Check::new(facts, program, run_id, run, rows, case);
    if let Err(fault) = check.whole() {
        let at = check.reader.at.saturating_sub(1);
        let at = rows.get(at).map_or_else(String::new, |row| {
            format!(" (row {at}: {} {}#{})", row.kind, row.name, row.occurrence)
        });
        faults.push(format!("{}: {fault}{at}", program.case));
    }
    let started = std::mem::take(&mut check.reader.started);
    for (_, child_id, child, _) in &started {
        check_run(facts, child, *child_id, None, faults);
    }
    let awaited = started.iter().filter(|(.., awaited)| *awaited);
    let mut known: Vec<Uuid> = awaited.map(|(_, child, ..)| *child).collect();
    let mut children = facts.children.get(&run_id).cloned().unwrap_or_default();
    known.sort_unstable();
    children.sort_unstable();
    if known != children {
        faults.push(format!(
            "{}: it recorded the children {known:?}, there are {children:?}",
            program.case
        ));
    }
}

type Checked = Result<(), String>;

struct Check<'c, 'p> {
    facts: &'c Facts,
    program: &'p Program,
    case: Option<&'c Case>,
    run_id: Uuid,
    run: &'c Run,
    machine: Machine<'p>,
    reader: Reader<'c, 'p>,
    /// Outside steps that were intended and are not answered.
    open: BTreeSet<Key>,
    undoables: Vec<Undoable>,
    /// When each want was asked for, by the record.
    asked_at: BTreeMap<Key, DateTime<Utc>>,
    answered: BTreeMap<u32, Outcome>,
    keys: BTreeMap<u32, Key>,
    taken: BTreeSet<String>,
    undone: Vec<Value>,
    pivoted: bool,
    /// The program was not seen to the end of its last move.
    unseen: bool,
    /// What it showed before each of the answers that came last, which it may not have seen.
    shown_before: Vec<BTreeMap<String, u32>>,
}

/// A step, or a child, that has to be undone if the run is made good.
struct Undoable {
    key: Key,
    undo: String,
    op: Option<u32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    Rejected,
}

/// Reads the record in its order.
struct Reader<'c, 'p> {
    rows: &'c [Row],
    at: usize,
    started: Vec<(Key, Uuid, &'p Program, bool)>,
}

impl Reader<'_, '_> {
    fn next(&mut self, kind: &str, key: &Key) -> Result<Value, Halt> {
        // A refused cancel is not the program's; it may come before its next move.
        while self.rows.get(self.at).is_some_and(|row| row.kind == "refused") {
            self.at += 1;
        }
        let Some(row) = self.rows.get(self.at) else { return Err(Halt::Unseen) };
        if row.kind == kind && row.name == key.0 && row.occurrence == key.1 {
            self.at += 1;
            return Ok(row.result.clone().unwrap_or_default());
        }
        let mut rest = self.rows.iter().skip(self.at);
        let last = rest.find(|row| row.kind != "done" && row.kind != "rejected");
        if last.is_some_and(Row::is_cancel) {
            // The program is not asked any more; what was under way is recorded all the same.
            return Err(Halt::Unseen);
        }
        let (name, occurrence) = key;
        Err(Halt::Misfit(format!(
            "here the program is given {kind} {name}#{occurrence}, the record goes on with {} {}#{}",
            row.kind, row.name, row.occurrence,
        )))
    }
}

impl<'p> Given<'p> for Reader<'_, 'p> {
    fn take(&mut self, kind: &str, key: &Key) -> Result<Value, Halt> {
        self.next(kind, key)
    }

    fn started(&mut self, key: &Key, child: &'p Program, awaited: bool) -> Result<Value, Halt> {
        let id = self.next("started", key)?["run_id"].clone();
        let run_id = id.as_str().and_then(|id| id.parse().ok());
        let run_id = run_id.ok_or_else(|| Halt::Misfit(format!("{id} is no child")))?;
        self.started.push((key.clone(), run_id, child, awaited));
        Ok(id)
    }
}

impl<'c, 'p> Check<'c, 'p> {
    fn new(
        facts: &'c Facts,
        program: &'p Program,
        run_id: Uuid,
        run: &'c Run,
        rows: &'c [Row],
        case: Option<&'c Case>,
    ) -> Self {
        Self {
            facts,
            program,
            case,
            run_id,
            run,
            machine: Machine::new(program),
            reader: Reader { rows, at: 0, started: Vec::new() },
            open: BTreeSet::new(),
            undoables: Vec::new(),
            asked_at: BTreeMap::new(),
            answered: BTreeMap::new(),
            keys: BTreeMap::new(),
            taken: BTreeSet::new(),
            undone: Vec::new(),
            pivoted: false,
            unseen: false,
            shown_before: Vec::new(),
        }
    }

    fn whole(&mut self) -> Checked {
        if let Some(wrongs) = self.facts.wrongs.get(&self.program.case) {
            return Err(wrongs.join("; "));
        }
        self.go_on(self.run.started_at, 0)?;
        let mut unwinding = false;
        while let Some(row) = self.reader.rows.get(self.reader.at) {
            let first = self.reader.at;
            self.reader.at += 1;
            unwinding |= row.kind == "compensating";
            if unwinding { self.unwound(row)? } else { self.recorded(row, first)? }
        }
        self.ended(unwinding)?;
        self.effects()?;
        self.shown()?;
        self.messages()?;
        self.incidents()
    }

    /// A row of the program's own.
    fn recorded(&mut self, row: &'c Row, first: usize) -> Checked {
        let key = (row.name.clone(), row.occurrence);
        if row.kind == "refused" {
            let outside = self.program.pivot.as_ref().is_some_and(|p| p.step.kind == Kind::Out);
            expect(self.pivoted, "a cancel is refused only past the pivot")?;
            let told = outside || self.run.parent.is_some();
            expect(told, "no acknowledged cancel is overtaken by a pivot in the database")?;
            return self.intents(first);
        }
        if row.kind == "intent" {
            return self.intents(first);
        }
        let Some(asked) = self.machine.asked().get(&key).copied() else {
            return Err("the program does not ask for it".to_owned());
        };
        if row.kind != "done" && row.kind != "rejected" {
            self.shown_before.clear();
        }
        let result = row.result.clone().unwrap_or_default();
        let answer = match (asked, row.kind.as_str()) {
            (Asked::Step { step, pivot }, "done" | "rejected") => {
                self.stepped(row, &key, step, pivot)?
            }
            (Asked::Wait { word }, "signal") => {
                self.took(word, &result)?;
                Ok(result["payload"].clone())
            }
            (Asked::Wait { word }, "timeout") => {
                let missed = self.early(word).into_iter().find(|id| !self.taken.contains(id));
                expect(missed.is_none(), &format!("it waits in vain, and {missed:?} lay there"))?;
                Ok(Value::Null)
            }
            (Asked::Sleep { ms }, "slept") => {
                let ms = i64::try_from(ms).unwrap_or(i64::MAX) - CLOCKS_MS;
                let slept = self.asked_at.get(&key).map(|asked| row.at - *asked);
                let whole = slept.is_none_or(|slept| slept >= TimeDelta::milliseconds(ms));
                expect(whole, &format!("no timer fires early: after {slept:?}"))?;
                Ok(json!("slept"))
            }
            (Asked::Child, "ended") => self.child_ended(&key, &result)?,
            (asked, kind) => return Err(format!("{asked:?} is not answered by {kind}")),
        };
        self.machine.answer(&key, answer);
        if self.unseen { Ok(()) } else { self.go_on(row.at, first) }
    }

    /// The program goes on, and takes what it is given from the rows that follow.
    fn go_on(&mut self, at: DateTime<Utc>, first: usize) -> Checked {
        let children = self.reader.started.len();
        self.shown_before.push(self.machine.published().clone());
        match self.machine.go_on(&mut self.reader) {
            Ok(()) => {}
            Err(Halt::Unseen) => self.unseen = true,
            Err(Halt::Misfit(fault)) => return Err(fault),
        }
        for (key, run_id, child, awaited) in self.reader.started.iter().skip(children) {
            let run = self.facts.runs.get(run_id).ok_or("the child was never started")?;
            let parent = awaited.then_some(self.run_id);
            expect(run.parent == parent, "a child that is awaited knows its parent")?;
            let same = run.input == json!(child);
            expect(same, "a child is started with its input")?;
            if *awaited {
                let undo = "$cancel_child".to_owned();
                self.undoables.push(Undoable { key: key.clone(), undo, op: None });
            }
        }
        for (key, asked) in self.machine.asked() {
            self.asked_at.entry(key.clone()).or_insert(at);
            if let Asked::Step { step, .. } = asked {
                self.keys.insert(step.op, key.clone());
            }
        }
        self.intents(first)
    }

    /// The intents on the rows from `first` up to here.
    fn intents(&mut self, first: usize) -> Checked {
        let rows = self.reader.rows.get(first..self.reader.at).unwrap_or_default();
        for intent in rows.iter().flat_map(|row| &row.next) {
            let key = (intent.name.clone(), intent.occurrence);
            let Some(Asked::Step { step, pivot }) = self.machine.asked().get(&key) else {
                return Err(format!("{key:?} is intended, and the program does not ask for it"));
            };
            expect(step.kind == Kind::Out, "only what is outside needs an intent")?;
            expect(*pivot == intent.pivot, "an intent knows the pivot")?;
            let undo = step.undo.map(|undo| undo_name(step.kind, undo));
            expect(undo == intent.undo, "an intent knows its undo")?;
            expect(self.open.insert(key.clone()), "a step is intended once")?;
            if let Some(undo) = undo {
                self.undoables.push(Undoable { key, undo, op: Some(step.op) });
            }
        }
        Ok(())
    }

    fn stepped(
        &mut self,
        row: &Row,
        key: &Key,
        step: &StepOp,
        pivot: bool,
    ) -> Result<Result<Value, Failing>, String> {
        let steps = self.machine.asked().values().filter(|a| matches!(a, Asked::Step { .. }));
        expect(!pivot || steps.count() == 1, "the pivot waits for all that is under way")?;
        let intended = self.open.remove(key);
        expect(intended == (step.kind == Kind::Out), "what is outside is intended before")?;
        let done = row.kind == "done";
        self.answered.insert(step.op, if done { Outcome::Done } else { Outcome::Rejected });
        let at = self.undoables.iter().position(|undoable| undoable.key == *key);
        if done {
            at.map(|at| self.undoables.remove(at));
            expect(!step.rejects, "it is refused in the end")?;
            expect(row.result == Some(json!(step.op)), "the result is the step's own")?;
            expect(row.pivot == pivot, "the pivot is marked")?;
            self.pivoted |= pivot;
            let undo = step.undo.map(|undo| undo_name(step.kind, undo));
            if let Some(undo) = undo {
                self.undoables.push(Undoable { key: key.clone(), undo, op: Some(step.op) });
            }
            return Ok(Ok(json!(step.op)));
        }
        expect(step.rejects, "nobody refused it for good")?;
        expect(!self.pivoted, "a refusal behind the pivot parks the run")?;
        // In doubt, since an earlier attempt may have had its effect, its undo stays where it was
        // intended.
        match (&row.undo, at) {
            (Some(undo), Some(at)) => {
                let kept = self.undoables.get(at).is_some_and(|kept| kept.undo == *undo);
                expect(kept, "a refusal in doubt keeps its undo")?;
            }
            (Some(_), None) => return Err("a refusal is in doubt only outside".to_owned()),
            (None, Some(at)) => {
                self.undoables.remove(at);
            }
            (None, None) => {}
        }
        let result = row.result.clone().unwrap_or_default();
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        Ok(Err(Failing::Rejected { step: text("step"), code: text("code") }))
    }

    /// The signals of a word that were there before the run began, oldest first.
    fn early(&self, word: Word) -> Vec<String> {
        let Some(case) = self.case else { return Vec::new() };
        let early = case
            .sends
            .iter()
            .filter(|send| send.word == word && send.when == super::program::When::WithStart);
        early.map(|send| send.id.clone()).collect()
    }

    fn took(&mut self, word: Word, result: &Value) -> Checked {
        let id = result["id"].as_str().unwrap_or_default().to_owned();
        expect(result["kind"] == json!(word.name()), "a wait takes its own kind")?;
        expect(result["payload"] == json!(id), "a signal keeps its payload")?;
        let letters = self.facts.signals.get(&self.run_id);
        let stored = letters.is_some_and(|l| l.iter().any(|letter| letter.id == id));
        expect(stored, "a signal that was taken was sent")?;
        let first = self.early(word).into_iter().find(|early| !self.taken.contains(early));
        expect(first.is_none_or(|first| first == id), "the oldest is taken first")?;
        expect(self.taken.insert(id), "a signal is taken once")
    }

    fn child_ended(&mut self, key: &Key, result: &Value) -> Result<Result<Value, Failing>, String> {
        let child = self.reader.started.iter().find(|(of, ..)| of == key);
        let Some((_, child, ..)) = child else { return Err("no such child".to_owned()) };
        let run = self.facts.runs.get(child).ok_or("the child is gone")?;
        let end = &result["payload"];
        expect(end["state"] == json!(run.state), "a parent is told its child's end")?;
        let output = run.output.clone().unwrap_or_default();
        expect(end["output"] == output, "a parent gets its child's output")?;
        self.undoables.retain(|undoable| undoable.key != *key);
        if run.state == "COMPLETED" {
            return Ok(Ok(output));
        }
        let code = makegood::CHILD_NOT_COMPLETED.to_owned();
        Ok(Err(Failing::Rejected { step: "script".to_owned(), code }))
    }

    /// A row of a run that is made good.
    fn unwound(&mut self, row: &Row) -> Checked {
        match row.kind.as_str() {
            "compensating" => {
                expect(!self.pivoted, "nothing is undone past the pivot")?;
                expect(row.result == self.run.cause, "the cause is the recorded one")?;
                self.cause(row.result.as_ref().unwrap_or(&Value::Null))
            }
            "undone" => {
                let last = self.undoables.pop().ok_or("there is nothing left to undo")?;
                let key = (row.name.clone(), row.occurrence);
                expect(last.key == key, &format!("{:?} is undone first", last.key))?;
                let result = row.result.clone().unwrap_or_default();
                match last.op {
                    Some(op) => expect(result == json!(op), "an undo knows its step")?,
                    None => expect(result != "RUNNING", "a child ends before its parent")?,
                }
                self.undone.push(json!([row.name, row.occurrence, result]));
                Ok(())
            }
            "closed" => expect(self.undoables.is_empty(), "all is undone before the close"),
            "intent" => Ok(()),
            kind => Err(format!("{kind} is recorded in a run that is made good")),
        }
    }

    fn cause(&self, cause: &Value) -> Checked {
        let told = self.facts.told.get(&self.program.case);
        let cancelled = told.is_some_and(|t| t.iter().any(|t| matches!(t, Told::Cancel { .. })));
        let parent = self.run.parent.map(|parent| json!({ "parent": parent }));
        if cause["cause"] == "cancelled" {
            let by_parent = parent.is_some_and(|parent| cause["reason"] == parent);
            let by_caller = cancelled && cause["reason"] == "enough";
            return expect(by_parent || by_caller, "only who was cancelled is");
        }
        expect(!self.unseen, "the program chose so")?;
        let matches = match &self.machine.ended {
            Some(Err(Failing::GaveUp(op))) => {
                *cause == json!({ "cause": "made_good", "reason": op })
            }
            Some(Err(Failing::Rejected { step, code })) => {
                cause["cause"] == "rejected" && cause["step"] == *step && cause["code"] == *code
            }
            _ => false,
        };
        expect(matches, &format!("the cause is {:?}", self.machine.ended))
    }

    fn ended(&self, unwinding: bool) -> Checked {
        let state = self.run.state.as_str();
        if unwinding {
            expect(state == "COMPENSATED", &format!("it is undone to its end: {state}"))?;
            expect(self.undoables.is_empty(), "every step is undone")?;
            let closed = self.reader.rows.iter().filter(|row| row.kind == "closed").count();
            return expect(closed == 1, "it is closed once");
        }
        expect(state == "COMPLETED", &format!("it goes on to its end: {state}"))?;
        expect(!self.unseen, "the program was seen to its end")?;
        let Some(Ok(output)) = &self.machine.ended else {
            return Err(format!(
                "the program goes on: {:?} {:?}",
                self.machine.ended,
                self.machine.asked()
            ));
        };
        expect(self.machine.asked().is_empty(), "all that was asked for is done")?;
        let found = self.run.output.clone().unwrap_or_default();
        let mut ids = BTreeSet::new();
        expect(same(output, &found, &mut ids), &format!("the output is {output}, not {found}"))
    }

    fn effects(&self) -> Checked {
        for step in self.program.steps() {
            let place = (self.program.case.clone(), step.op);
            let noted = self.facts.effects.get(&place).map_or(&[][..], Vec::as_slice);
            let count = |what: &str| noted.iter().filter(|noted| *noted == what).count();
            let booked = self.facts.bookings.get(&place).map_or(&[][..], Vec::as_slice);
            let done = count("+") + booked.len();
            let undone = count("-") + usize::from(self.facts.undone.contains(&place));
            let key = self.keys.get(&step.op);
            let recorded = |v: &Value| key.is_some_and(|key| v[0] == *key.0 && v[1] == key.1);
            let is_undone = self.undone.iter().any(recorded);
            let intended = key.is_some_and(|key| self.open.contains(key));
            let effect = usize::from(step.kind != Kind::Read);
            let allowed = match self.answered.get(&step.op) {
                Some(Outcome::Done) => effect..=effect,
                None if intended => 0..=1,
                Some(Outcome::Rejected) | None => 0..=0,
            };
            expect(allowed.contains(&done), &format!("step {} took effect {done} times", step.op))?;
            let right = undone == usize::from(is_undone);
            expect(right, &format!("step {} was undone {undone} times", step.op))?;
            let (run_id, kind) = (self.run_id, step.kind.name());
            let known = key.map(|key| format!("{run_id}:{kind}:{}", key.1));
            let right = booked.iter().all(|key| Some(key) == known.as_ref());
            expect(right, &format!("step {} has one key: {booked:?}", step.op))?;
        }
        let closed = self.facts.effects.get(&(self.program.case.clone(), 0));
        let closed = closed.cloned().unwrap_or_default();
        let want = (self.run.state == "COMPENSATED").then(|| json!(self.undone).to_string());
        expect(
            closed == want.into_iter().collect::<Vec<_>>(),
            "it is closed once, with what its undos said",
        )
    }

    fn shown(&self) -> Checked {
        let none = BTreeMap::new();
        let found = self.facts.published.get(&self.run_id).unwrap_or(&none);
        let shows = |want: &BTreeMap<String, u32>| {
            let mut pairs = want.iter().map(|(key, value)| (key.clone(), json!(value)));
            found.len() == want.len() && pairs.all(|(key, value)| found.get(&key) == Some(&value))
        };
        // A cancel cuts the program off; what was under way is recorded all the same.
        let cancelled = self.run.cause.as_ref().is_some_and(|c| c["cause"] == "cancelled");
        let right =
            shows(self.machine.published()) || cancelled && self.shown_before.iter().any(shows);
        let want = self.machine.published();
        expect(right, &format!("it shows {want:?}, not {found:?}"))
    }

    /// Every signal is taken, or handed to the workflow for late ones; every cancel is heeded.
    fn messages(&self) -> Checked {
        for letter in self.facts.signals.get(&self.run_id).into_iter().flatten() {
            let late = format!("{}:{}", self.run_id, letter.id);
            let is_late = self.facts.run_of("afterwards", &late);
            let taken = self.taken.contains(&letter.id);
            let engines_own = letter.kind.starts_with('$');
            let once = usize::from(taken) + usize::from(is_late.is_some());
            let want = usize::from(!engines_own);
            let id = &letter.id;
            expect(once == want, &format!("the signal {id} is taken {once} times, late or not"))?;
            let done = |run| self.facts.runs.get(&run).is_some_and(|run| run.state == "COMPLETED");
            expect(is_late.is_none_or(done), "a late signal is taken")?;
        }
        let refused = self.reader.rows.iter().any(|row| row.kind == "refused");
        expect(!refused || self.pivoted, "a cancel is refused only past the pivot")?;
        for told in self.facts.told.get(&self.program.case).into_iter().flatten() {
            match told {
                Told::Signal { id, delivery, .. } => {
                    let ended = *delivery != makegood::Delivery::Late || self.run.state != "STUCK";
                    expect(ended, "only what comes after the end is late")?;
                    let letters = self.facts.signals.get(&self.run_id);
                    let stored = letters.is_some_and(|l| l.iter().any(|letter| letter.id == *id));
                    expect(stored, &format!("the acknowledged signal {id} is there"))?;
                }
                Told::Cancel { cancellation: makegood::Cancellation::Requested, .. } => {
                    let heeded = self.run.state == "COMPENSATED" || refused;
                    expect(heeded, "an acknowledged cancel is heeded")?;
                }
                Told::Cancel { cancellation: makegood::Cancellation::PastPivot, .. } => {
                    expect(self.pivoted, "a cancel is refused only past the pivot")?;
                }
                Told::Cancel { cancellation: makegood::Cancellation::Ended, .. } => {}
            }
        }
        Ok(())
    }

    fn incidents(&self) -> Checked {
        let steps = self.program.steps();
        let any = |mishap: Mishap| {
            let of = |step: &&StepOp| {
                step.mishaps.contains(&mishap) || step.undo_mishaps.contains(&mishap)
            };
            steps.iter().any(of)
        };
        for incident in self.facts.incidents.get(&self.run_id).into_iter().flatten() {
            let allowed = match incident.split(' ').next().unwrap_or_default() {
                "retries_used_up" => steps.iter().any(|step| step.mishaps.len() >= 5),
                "compensation_failed" => steps.iter().any(|step| step.undo_mishaps.len() >= 5),
                "odd" => any(Mishap::Review),
                "rejected_past_pivot" => any(Mishap::Rejected),
                "panic" => self.program.panics(),
                _ => false,
            };
            expect(allowed, &format!("an incident that nothing explains: {incident}"))?;
        }
        Ok(())
    }
}

/// Equal, but for ids that are only promised to be there once.
fn same(want: &Value, found: &Value, ids: &mut BTreeSet<Uuid>) -> bool {
    match (want, found) {
        (Value::String(any), Value::String(id)) if any == ANY_ID => {
            id.parse().is_ok_and(|id| ids.insert(id))
        }
        (Value::Array(want), Value::Array(found)) => {
            want.len() == found.len() && want.iter().zip(found).all(|(w, f)| same(w, f, ids))
        }
        (Value::Object(want), Value::Object(found)) => {
            want.len() == found.len()
                && want.iter().all(|(k, w)| found.get(k).is_some_and(|f| same(w, f, ids)))
        }
        (want, found) => want == found,
    }
}

fn expect(holds: bool, promise: &str) -> Checked {
    if holds { Ok(()) } else { Err(promise.to_owned()) }
}
