//! The tables, in memory: what a commit writes, and what a claim reads. Mirrors the store's SQL.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::facts;
use crate::action::{AllTries, Hold, Letter, Park, StoredSignal};
use crate::client::{Cancellation, Delivery};
use crate::commit::{Committed, Disposition, Turn};
use crate::ctx::Until;
use crate::journal::{HistoryRow, Intent, Journal, Payload, RowKind, StepRow};
use crate::late::{self, LateStart};
use crate::registry::Registry;
use crate::run::{CANCEL, Claimed};
use crate::store::tasks::Opened;

/// A run and everything that is stored of it.
pub(super) struct Stored {
    pub(super) run_id: Uuid,
    pub(super) workflow: String,
    pub(super) workflow_id: String,
    pub(super) parent: Option<Uuid>,
    pub(super) input: Payload,
    pub(super) started_at: DateTime<Utc>,
    pub(super) rows: Vec<(StepRow, DateTime<Utc>)>,
    pub(super) signals: Vec<StoredSignal>,
    pub(super) published: BTreeMap<String, Value>,
    pub(super) incidents: Vec<String>,
    pub(super) end: Option<Ended>,
    pub(super) task: Task,
}

pub(super) struct Ended {
    pub(super) state: &'static str,
    pub(super) output: Option<Payload>,
    pub(super) cause: Option<Payload>,
}

/// The queue row of a live run.
#[derive(Default)]
pub(super) struct Task {
    pub(super) epoch: i32,
    pub(super) held: bool,
    pub(super) stuck: bool,
    pub(super) waiting: bool,
    pub(super) due: Option<DateTime<Utc>>,
    pub(super) waits: BTreeMap<String, DateTime<Utc>>,
    tries: Option<String>,
}

/// What a step's transaction writes besides the record: where, and what.
pub(super) type Effect = ((String, u32), String);

pub(super) struct Cell {
    pub(super) now: DateTime<Utc>,
    pub(super) runs: Vec<Stored>,
    pub(super) mail: Vec<Letter>,
    pub(super) effects: Vec<Effect>,
    pub(super) wrongs: Vec<String>,
}

impl Cell {
    pub(super) fn new() -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (runs, mail) = (Vec::new(), Vec::new());
        Self { now, runs, mail, effects: Vec::new(), wrongs: Vec::new() }
    }

    pub(super) fn at(&self, run_id: Uuid) -> usize {
        self.runs.iter().position(|run| run.run_id == run_id).expect("the run is there")
    }

    pub(super) fn start(&mut self, run_id: Uuid, names: (&str, &str), input: Payload) {
        let (workflow, workflow_id) = (names.0.to_owned(), names.1.to_owned());
        if self.runs.iter().any(|r| r.workflow == workflow && r.workflow_id == workflow_id) {
            return;
        }
        let task = Task { due: Some(self.now), ..Task::default() };
        self.runs.push(Stored {
            run_id,
            workflow,
            workflow_id,
            parent: None,
            input,
            started_at: self.now,
            rows: Vec::new(),
            signals: Vec::new(),
            published: BTreeMap::new(),
            incidents: Vec::new(),
            end: None,
            task,
        });
    }

    /// Claims a due run.
    pub(super) fn claim(&mut self, at: usize, registry: &Registry) -> Claimed {
        let now = self.now;
        let run = &mut self.runs[at];
        run.task.epoch += 1;
        (run.task.held, run.task.due, run.task.waiting) = (true, None, false);
        let hold = Hold { run_id: run.run_id, incarnation: Uuid::nil(), epoch: run.task.epoch };
        let history = run.rows.iter().map(|(row, _)| history(row)).collect();
        let tries = run.task.tries.as_deref();
        Claimed {
            hold,
            code: registry.code_of(&run.workflow).expect("the workflow is known"),
            input: run.input.clone(),
            parent_run_id: run.parent,
            journal: Journal::fold(history).expect("a record can be read"),
            signals: run.signals.clone(),
            tries: tries.map_or_else(AllTries::new, |json| serde_json::from_str(json).unwrap()),
            deadlines: run.task.waits.clone().into_iter().collect(),
            database_time: now,
            unfit: None,
            options: Arc::default(),
            place: None,
        }
    }

    /// A worker has died, or a drain hands back: somebody else may claim the run.
    pub(super) fn free(&mut self, run_id: Uuid) {
        let (at, now) = (self.at(run_id), self.now);
        (self.runs[at].task.held, self.runs[at].task.due) = (false, Some(now));
    }

    /// Writes a turn, with what was done in its transaction; `None`: the run is another's.
    pub(super) fn commit(
        &mut self,
        turn: &Turn,
        effects: Vec<Effect>,
        registry: &Registry,
    ) -> Option<Committed> {
        let (at, now) = (self.at(turn.hold.run_id), self.now);
        let run = &mut self.runs[at];
        if run.end.is_some() || !run.task.held || run.task.epoch != turn.hold.epoch {
            return None;
        }
        self.effects.extend(effects);
        for row in &turn.records.rows {
            if usize::try_from(row.seq) != Ok(run.rows.len()) {
                self.wrongs.push(format!("row {} comes after {} rows", row.seq, run.rows.len()));
            }
            run.rows.push((copy(row), now));
        }
        for (key, value) in &turn.records.published {
            run.published.insert(key.clone(), serde_json::from_str(value.get()).unwrap());
        }
        let moved = self.dispose(at, turn);
        for start in &turn.records.children {
            let names = (&*start.workflow, &*start.workflow_id);
            self.start(start.child.run_id, names, start.child.input.clone());
            let child = self.at(start.child.run_id);
            self.runs[child].parent = (!start.child.detached).then_some(turn.hold.run_id);
        }
        if let (Committed::Left, Disposition::End(end)) = (&moved, &turn.disposition) {
            for late in &end.late {
                self.start_late(late);
            }
            self.mail.extend(end.letter.clone());
        }
        let known = self.runs[at].task.held || self.runs[at].task.due.is_some();
        if !known && self.runs[at].end.is_none() && !self.runs[at].task.stuck {
            self.wrongs.push("nothing moves a live run".to_owned());
        }
        debug_assert!(registry.code_of("script").is_some());
        Some(moved)
    }

    fn dispose(&mut self, at: usize, turn: &Turn) -> Committed {
        let now = self.now;
        let run = &mut self.runs[at];
        let sticks = matches!(turn.disposition, Disposition::Stick(_));
        let mailbox = i32::try_from(run.signals.len()).unwrap();
        if matches!(turn.disposition, Disposition::GoOn) {
            return Committed::GoOn;
        }
        if !sticks && mailbox > turn.seen {
            return Committed::Refused(run.signals.clone());
        }
        run.task.tries.clone_from(&turn.tries);
        let opens = |park: &Park| -> Option<BTreeMap<String, DateTime<Utc>>> {
            let waits = park.waits.as_ref()?;
            Some(waits.iter().map(|(key, until)| (key.clone(), due(now, *until))).collect())
        };
        match &turn.disposition {
            Disposition::GoOn => Committed::GoOn,
            Disposition::Stay(park) => {
                run.task.waits = opens(park).unwrap_or_default();
                let deadlines: HashMap<_, _> = run.task.waits.clone().into_iter().collect();
                Committed::Stayed(Opened { deadlines, now })
            }
            Disposition::Park(park) => {
                let wake = park.wake.map(|wake| now + TimeDelta::from_std(wake).unwrap());
                let opened = opens(park);
                let first = opened.as_ref().and_then(|waits| waits.values().min().copied());
                run.task.waiting = opened.as_ref().is_some_and(|waits| !waits.is_empty());
                run.task.waits = opened.unwrap_or_else(|| std::mem::take(&mut run.task.waits));
                run.task.due = [wake, first].into_iter().flatten().min();
                run.task.held = false;
                Committed::Left
            }
            Disposition::End(end) => {
                let (output, cause) = (end.output.clone(), end.cause.clone());
                run.end = Some(Ended { state: end.state, output, cause });
                run.task.held = false;
                Committed::Left
            }
            Disposition::Stick(incident) => {
                let step = incident.step.as_deref().unwrap_or("the program");
                run.incidents.push(format!("{} of {step}", incident.class.as_str()));
                (run.task.stuck, run.task.held) = (true, false);
                Committed::Left
            }
        }
    }

    /// A person tries a stuck run again.
    pub(super) fn retry(&mut self, at: usize) {
        let now = self.now;
        let task = &mut self.runs[at].task;
        (task.stuck, task.due, task.tries) = (false, Some(now), None);
    }

    fn start_late(&mut self, late: &LateStart) {
        let input = RawValue::from_string(late.input.clone());
        let names = (late.workflow, &*late.workflow_id);
        self.start(Uuid::now_v7(), names, input.unwrap());
    }

    /// Sends a run a signal.
    pub(super) fn signal(
        &mut self,
        at: usize,
        signal: StoredSignal,
        registry: &Registry,
    ) -> Delivery {
        let now = self.now;
        let run = &mut self.runs[at];
        if run.signals.iter().any(|known| known.id == signal.id) {
            return Delivery::Repeated;
        }
        run.signals.push(signal);
        if run.end.is_none() {
            if run.task.waiting && !run.task.held && !run.task.stuck {
                run.task.due = run.task.due.min(Some(now));
            }
            return Delivery::Queued;
        }
        let output = run.end.as_ref().and_then(|end| end.output.as_ref()).map(|o| o.get());
        let code = registry.code_of(&run.workflow).unwrap();
        let late: Vec<LateStart> = run
            .signals
            .last()
            .zip(code.late.as_ref())
            .filter(|(signal, handler)| handler.concerns(output, signal))
            .map(|(signal, handler)| late::start(handler, run.run_id, &run.input, signal))
            .into_iter()
            .collect();
        for late in &late {
            self.start_late(late);
        }
        Delivery::Late
    }

    /// Asks a run to turn back.
    pub(super) fn cancel(&mut self, at: usize, reason: Payload) -> Cancellation {
        let now = self.now;
        let run = &mut self.runs[at];
        if run.rows.iter().any(|(row, _)| row.pivot && row.kind == RowKind::Done) {
            return Cancellation::PastPivot;
        }
        if run.end.is_some() {
            return Cancellation::Ended;
        }
        if !run.signals.iter().any(|known| known.id == CANCEL) {
            let (id, kind) = (CANCEL.to_owned(), CANCEL.to_owned());
            run.signals.push(StoredSignal { id, kind, payload: reason });
            if !run.task.held && !run.task.stuck {
                run.task.due = Some(now);
            }
        }
        Cancellation::Requested
    }

    /// Delivers a letter: to an ended run it comes too late, and is kept.
    pub(super) fn deliver(&mut self, Letter { run_id, signal_id, kind, payload }: Letter) {
        let (at, now) = (self.at(run_id), self.now);
        let run = &mut self.runs[at];
        if run.signals.iter().any(|known| known.id == signal_id) || run.end.is_some() {
            return;
        }
        let urgent = kind == CANCEL;
        run.signals.push(StoredSignal { id: signal_id, kind: kind.to_owned(), payload });
        if !run.task.held && !run.task.stuck && (urgent || run.task.waiting) {
            run.task.due = run.task.due.min(Some(now)).or(Some(now));
        }
    }

    /// Whether a cancel came that the run must take before its pivot.
    pub(super) fn is_cancelled(&self, run_id: Uuid) -> bool {
        self.runs[self.at(run_id)].signals.iter().any(|signal| signal.kind == CANCEL)
    }
}

fn due(now: DateTime<Utc>, until: Until) -> DateTime<Utc> {
    match until {
        Until::At(at) => at,
        Until::After(pause) => {
            let pause = TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
            now.checked_add_signed(pause).unwrap_or(DateTime::<Utc>::MAX_UTC)
        }
    }
}

/// As the database gives it back: a null comes as nothing.
fn stored(payload: Option<&Payload>) -> Option<Payload> {
    payload.filter(|payload| payload.get() != "null").cloned()
}

fn history(row: &StepRow) -> HistoryRow {
    let next: Option<Vec<Intent>> =
        row.next.as_ref().map(|next| serde_json::from_str(next.get()).unwrap());
    HistoryRow(
        row.seq,
        row.kind,
        row.name.clone(),
        row.occurrence,
        stored(row.input.as_ref()),
        stored(row.result.as_ref()),
        row.undo.clone(),
        row.pivot,
        next,
    )
}

fn copy(row: &StepRow) -> StepRow {
    StepRow {
        name: row.name.clone(),
        input: row.input.clone(),
        result: row.result.clone(),
        undo: row.undo.clone(),
        next: row.next.clone(),
        ..*row
    }
}

fn value(payload: &Payload) -> Value {
    serde_json::from_str(payload.get()).unwrap()
}

impl Stored {
    /// The record as the model reads it.
    pub(super) fn rows(&self) -> Vec<facts::Row> {
        let row = |(row, at): &(StepRow, DateTime<Utc>)| facts::Row {
            kind: row.kind.as_str().to_owned(),
            name: row.name.clone(),
            occurrence: row.occurrence,
            result: row.result.as_ref().map(value),
            undo: row.undo.clone(),
            pivot: row.pivot,
            next: row
                .next
                .as_ref()
                .map_or_else(Vec::new, |n| serde_json::from_str(n.get()).unwrap()),
            at: *at,
        };
        self.rows.iter().map(row).collect()
    }

    /// The run as the model reads it.
    pub(super) fn run(&self) -> facts::Run {
        let of = |part: fn(&Ended) -> &Option<Payload>| {
            self.end.as_ref().and_then(|end| part(end).as_ref()).map(value)
        };
        facts::Run {
            workflow: self.workflow.clone(),
            workflow_id: self.workflow_id.clone(),
            parent: self.parent,
            state: self.end.as_ref().map_or("LIVE", |end| end.state).to_owned(),
            output: of(|end| &end.output),
            cause: of(|end| &end.cause),
            started_at: self.started_at,
            input: value(&self.input),
        }
    }
}
