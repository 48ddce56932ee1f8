//! The record of a run as lanes: what happened in which order, from when to when. It draws nothing.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use makegood::inspect::{OpenIncident, RecordRow, RowKind, RunDetail};
use makegood::{Cause, IncidentClass};

use super::super::words;
use crate::console::moment::span;

/// A line of the timeline, from above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A step, a wait, an undo.
    Lane(Lane),
    /// Something that concerns everything below it.
    Rule { words: String, back: bool },
    /// Lanes that are left out.
    Folded(usize),
}

/// One thing that took its time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) label: String,
    /// What came of it, in few words.
    pub(super) note: String,
    /// Its row in the record.
    pub(super) seq: Option<i32>,
    pub(super) bars: Vec<Bar>,
    pub(super) marks: Vec<(DateTime<Utc>, Mark)>,
    /// Worth a look when somebody looks for what went wrong.
    pub(super) odd: bool,
    pub(super) pivot: bool,
}

/// From when to when, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) tone: Tone,
}

/// What a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A step that is done.
    Done,
    /// A step that was refused.
    Refused,
    /// Waiting for a signal or a time.
    Wait,
    /// The time that is left until a deadline.
    Ahead,
    /// Under way.
    Open,
    /// Another run.
    Child,
    /// An undo.
    Undo,
}

/// A moment in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Signal,
    Deadline,
    Refused,
    /// An operator's hand.
    Hand,
    Incident,
}

/// Tells the whole record.
pub(super) fn tell(
    run: &RunDetail,
    rows: &[RecordRow],
    incident: Option<&OpenIncident>,
) -> Vec<Entry> {
    let mut teller = Teller {
        entries: Vec::new(),
        intended: HashMap::new(),
        children: HashMap::new(),
        seen: HashSet::new(),
        before: run.started_at,
        back: false,
    };
    for row in rows {
        teller.row(row);
        teller.before = row.at;
    }
    teller.end(run, incident);
    teller.entries
}

type Call = (String, i32);

struct Teller {
    entries: Vec<Entry>,
    /// Steps outside whose outcome is not told yet, and since when.
    intended: HashMap<Call, DateTime<Utc>>,
    /// Where the lanes of children are.
    children: HashMap<Call, usize>,
    /// The names of the steps.
    seen: HashSet<String>,
    /// When the row before was recorded.
    before: DateTime<Utc>,
    /// The run is being made good.
    back: bool,
}

impl Teller {
    fn row(&mut self, row: &RecordRow) {
        let Some(kind) = RowKind::read(&row.kind) else { return };
        self.seen.extend(row.intended.iter().chain([&row.name]).cloned());
        let call = (row.name.clone(), row.occurrence);
        match kind {
            RowKind::Done | RowKind::Rejected => self.answered(row, kind == RowKind::Done),
            RowKind::Signal => self.lane(row, Tone::Wait, Some(Mark::Signal)),
            RowKind::Timeout => self.lane(row, Tone::Wait, Some(Mark::Deadline)),
            RowKind::Slept => self.lane(row, Tone::Wait, None),
            RowKind::Started | RowKind::Restarted => {
                self.children.insert(call, self.entries.len());
                let anew = kind == RowKind::Restarted;
                let label = format!("child {}", words::call(&row.name, row.occurrence));
                let note = words::said(&row.kind).to_owned();
                let mut lane = Lane { label, note, odd: anew, ..Lane::of(row) };
                lane.marks.extend(anew.then_some((row.at, Mark::Hand)));
                self.push(lane.bar(row.at, row.at, Tone::Child));
            }
            RowKind::Ended => self.child_ended(row),
            RowKind::Refused => self.lane(row, Tone::Refused, Some(Mark::Refused)),
            RowKind::Compensating => {
                self.back = true;
                let cause = row.cause.clone().map(serde_json::from_value::<Cause>);
                let why = cause.and_then(Result::ok).map_or_else(String::new, |c| format!(": {c}"));
                self.rule(format!("Made good from here{why}. Undone is the last step first"));
            }
            RowKind::Undone | RowKind::Closed => {
                let verb = if kind == RowKind::Undone { "undo" } else { "close by" };
                let label = format!("{verb} {}", words::call(&row.name, row.occurrence));
                let lane = Lane { label, note: self.took(row), ..Lane::of(row) };
                self.push(lane.bar(self.before, row.at, Tone::Undo));
            }
            RowKind::Skipped | RowKind::Edited => {
                self.intended.remove(&call);
                self.lane(row, Tone::Done, Some(Mark::Hand));
            }
            RowKind::Waived => self.lane(row, Tone::Undo, Some(Mark::Hand)),
            RowKind::Resumed => {
                self.back = false;
                self.rule("An operator took that back: it goes forward again".to_owned());
            }
            RowKind::Forked => self.rule("Forked here: what is above is another run's".to_owned()),
            RowKind::Value | RowKind::Version | RowKind::Intent => {}
        }
        for (name, occurrence) in row.intended.iter().zip(&row.intended_occurrences) {
            self.intended.insert((name.clone(), *occurrence), row.at);
        }
    }

    fn answered(&mut self, row: &RecordRow, done: bool) {
        let since = self.intended.remove(&(row.name.clone(), row.occurrence));
        let from = since.unwrap_or(self.before);
        let mut lane = Lane { note: self.took(row), ..Lane::of(row) };
        if done {
            lane = lane.bar(from, row.at, Tone::Done);
        } else {
            lane.note = row.code.clone().unwrap_or_else(|| "refused".to_owned());
            lane.marks.push((row.at, Mark::Refused));
            lane = lane.bar(from, row.at, Tone::Refused);
        }
        self.push(lane);
    }

    fn lane(&mut self, row: &RecordRow, tone: Tone, mark: Option<Mark>) {
        let mut lane = Lane { note: words::said(&row.kind).to_owned(), ..Lane::of(row) };
        if tone == Tone::Undo {
            lane.label = format!("undo {}", lane.label);
        }
        lane.marks.extend(mark.map(|mark| (row.at, mark)));
        lane.odd |= matches!(mark, Some(Mark::Hand | Mark::Refused));
        self.push(lane.bar(self.before, row.at, tone));
    }

    fn child_ended(&mut self, row: &RecordRow) {
        let at = self.children.remove(&(row.name.clone(), row.occurrence));
        match at.and_then(|at| self.entries.get_mut(at)) {
            Some(Entry::Lane(lane)) => {
                "ended".clone_into(&mut lane.note);
                lane.bars.iter_mut().for_each(|bar| bar.to = row.at);
            }
            _ => self.lane(row, Tone::Child, None),
        }
    }

    /// What is under way, and what is waited for.
    fn end(&mut self, run: &RunDetail, incident: Option<&OpenIncident>) {
        if run.ended_at.is_some() {
            return;
        }
        for at in std::mem::take(&mut self.children).into_values() {
            if let Some(Entry::Lane(lane)) = self.entries.get_mut(at) {
                lane.bars.iter_mut().for_each(|bar| bar.to = run.read_at);
            }
        }
        let mut open: Vec<_> = std::mem::take(&mut self.intended).into_iter().collect();
        open.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        if self.back {
            // Whatever they did is undone below.
            open.clear();
        }
        for ((name, occurrence), since) in open {
            let label = words::call(&name, occurrence);
            let lane = Lane { label, note: "no answer yet".to_owned(), ..Lane::default() };
            self.push(lane.bar(since, run.read_at, Tone::Open));
        }
        for (call, until) in &run.waits {
            let label = words::short(call);
            let note = format!("until {}", until.format("%H:%M:%S"));
            let lane = Lane { label, note, ..Lane::default() };
            let now = run.read_at.min(*until);
            let mut lane = lane.bar(self.before, now, Tone::Wait).bar(now, *until, Tone::Ahead);
            lane.marks.push((*until, Mark::Deadline));
            self.push(lane);
        }
        for (call, tries) in &run.tries {
            let note = format!("{} failed", words::count(i64::from(tries.failed), "attempt"));
            self.noted(&words::short(call), &note, tries.since, run.read_at);
        }
        let Some(incident) = incident else { return };
        let step = incident.step.as_deref().unwrap_or("the run");
        let place = words::call(step, incident.occurrence.unwrap_or_default());
        let place = match (self.back, self.seen.contains(step)) {
            (true, true) => format!("undo {place}"),
            (true, false) if incident.step.is_some() => format!("close by {place}"),
            _ => place,
        };
        self.noted(&place, &incident.class.replace('_', " "), incident.opened_at, run.read_at);
        if let Some(Entry::Lane(lane)) = self.entries.last_mut() {
            let at = incident.opened_at;
            let paused = incident.class == IncidentClass::Paused.as_str();
            let (tone, mark) =
                if paused { (Tone::Wait, Mark::Hand) } else { (Tone::Refused, Mark::Incident) };
            // Nobody has been at it since.
            for bar in &mut lane.bars {
                (bar.to, bar.tone) = (at.max(bar.from), tone);
            }
            lane.bars.push(Bar { from: at, to: run.read_at, tone: Tone::Ahead });
            lane.marks.push((at, mark));
        }
    }

    /// Says what troubles a call: in its own lane if that is open, below all others.
    fn noted(&mut self, label: &str, note: &str, since: DateTime<Utc>, now: DateTime<Utc>) {
        let is_it =
            |entry: &Entry| matches!(entry, Entry::Lane(l) if l.label == label && l.seq.is_none());
        let open = self.entries.iter().position(is_it);
        let lane = match open.map(|at| self.entries.remove(at)) {
            Some(Entry::Lane(lane)) => Lane { note: note.to_owned(), odd: true, ..lane },
            _ => Lane {
                label: label.to_owned(),
                note: note.to_owned(),
                odd: true,
                ..Lane::default()
            }
            .bar(since, now, Tone::Open),
        };
        self.push(lane);
    }

    /// How long it took, and how often it was tried.
    fn took(&self, row: &RecordRow) -> String {
        let since = self.intended.get(&(row.name.clone(), row.occurrence)).unwrap_or(&self.before);
        let took = span(row.at - *since);
        if row.attempts > 1 { format!("{took}, {} tries", row.attempts) } else { took }
    }

    fn push(&mut self, lane: Lane) {
        self.entries.push(Entry::Lane(lane));
    }

    fn rule(&mut self, words: String) {
        self.entries.push(Entry::Rule { words, back: self.back });
    }
}

impl Lane {
    fn of(row: &RecordRow) -> Self {
        Self {
            label: words::call(&row.name, row.occurrence),
            seq: Some(row.seq),
            odd: row.attempts > 1 || row.code.is_some(),
            pivot: row.pivot,
            ..Self::default()
        }
    }

    fn bar(mut self, from: DateTime<Utc>, to: DateTime<Utc>, tone: Tone) -> Self {
        self.bars.push(Bar { from: from.min(to), to, tone });
        self
    }
}

/// How many lanes are drawn at either end of a long record.
const ENDS: usize = 12;

/// How many of those between that something is odd about.
const ODD: usize = 30;

/// Leaves out what is not worth its place: the middle of a long record, or all but the odd lanes.
pub(super) fn fold(entries: Vec<Entry>, only_odd: bool) -> Vec<Entry> {
    let (count, mut odd) = (entries.len(), 0);
    let mut kept: Vec<Entry> = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let is_odd = !matches!(&entry, Entry::Lane(lane) if !lane.odd);
        let near_an_end = at < ENDS || at + ENDS >= count;
        let keep = if only_odd {
            is_odd && odd < ENDS + ODD
        } else {
            near_an_end || (is_odd && odd < ODD)
        };
        odd += usize::from(is_odd && (only_odd || !near_an_end));
        match (keep, kept.last_mut()) {
            (true, _) => kept.push(entry),
            (false, Some(Entry::Folded(folded))) => *folded += 1,
            (false, _) => kept.push(Entry::Folded(1)),
        }
    }
    kept
}
