//! A run's timeline as SVG, drawn on the server. A pure function of the record: it asks nobody.
//!
//! From above: what the run did, in its order; where it was made good, a rule, and below it the
//! undos in theirs. Shapes and words say what a thing is; colour only repeats it.

mod scale;
mod story;

use std::collections::BTreeSet;

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, Utc};
use makegood::inspect::{OpenIncident, RecordRow, RunDetail};
use uuid::Uuid;

use self::scale::Scale;
use self::story::{Entry, Lane, Mark, Tone};
use super::words;
use crate::console::moment::span;

/// Where the times begin; left of it are the names.
const LEFT: i64 = 230;
/// Where they end; right of it are the notes.
const RIGHT: i64 = 800;
const HEAD: i64 = 30;
const LANE: i64 = 26;
/// The least width at which a bar is seen, and at which its hatching is.
const LEAST: i64 = 4;
const HATCHED: i64 = 16;
/// Characters of a name, and of a note.
const NAME: usize = 30;
const NOTE: usize = 28;
/// Between two labels of the axis.
const TICK: i64 = 90;

/// The drawing. Put into a template as `{{ timeline }}`.
#[derive(Debug, Template)]
#[template(path = "console/run/timeline.svg.html")]
pub(super) struct Timeline {
    run_id: Uuid,
    height: i64,
    lines: Vec<Line>,
    ticks: Vec<Tick>,
    now: Option<i64>,
    summary: String,
}

impl HtmlSafe for Timeline {}

#[derive(Debug)]
enum Line {
    Lane(Drawn),
    Rule { y: i64, words: String, back: bool },
    Folded { y: i64, words: String },
}

#[derive(Debug)]
struct Drawn {
    y: i64,
    middle: i64,
    name: String,
    note: String,
    whole: String,
    seq: Option<i32>,
    bars: Vec<Rect>,
    marks: Vec<Glyph>,
    pivot: Option<i64>,
    odd: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Rect {
    x: i64,
    width: i64,
    class: &'static str,
}

#[derive(Debug)]
struct Glyph {
    path: String,
    class: &'static str,
}

#[derive(Debug)]
struct Tick {
    x: i64,
    label: String,
}

impl Timeline {
    /// Draws the record; all of it, or what is odd about it.
    pub(super) fn draw(
        run: &RunDetail,
        rows: &[RecordRow],
        incident: Option<&OpenIncident>,
        only_odd: bool,
    ) -> Self {
        let entries = story::fold(story::tell(run, rows, incident), only_odd);
        let end = run.ended_at.unwrap_or(run.read_at);
        let scale = Scale::new(&times(run, end, &entries), LEFT, RIGHT - LEFT);
        let mut lines = Vec::new();
        let mut y = HEAD;
        for entry in &entries {
            lines.push(line(entry, y, &scale));
            y += LANE;
        }
        Self {
            run_id: run.run_id,
            height: y + LANE / 2,
            ticks: ticks(&scale, run.started_at),
            now: run.ended_at.is_none().then(|| scale.x(end)),
            summary: summary(run, rows),
            lines,
        }
    }

    /// Whether there is anything to see.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn axis_end(&self) -> i64 {
        self.height - 8
    }
}

/// The axis: how long after the start. Two that would read alike are one.
fn ticks(scale: &Scale, start: DateTime<Utc>) -> Vec<Tick> {
    let start = start.timestamp_millis();
    let tick = |(at, x)| Tick { x, label: after(at - start) };
    let mut ticks: Vec<_> = scale.ticks(TICK).into_iter().map(tick).collect();
    ticks.dedup_by(|later, earlier| later.label == earlier.label);
    ticks
}

/// A time after the start, to three figures or so.
fn after(ms: i64) -> String {
    let secs = ms / 1_000;
    match ms {
        ..1 => "start".to_owned(),
        1..1_000 => format!("+{ms} ms"),
        1_000..60_000 => format!("+{secs}.{} s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("+{} min {} s", secs / 60, secs % 60),
        3_600_000..172_800_000 => format!("+{} h {} min", secs / 3_600, secs / 60 % 60),
        172_800_000.. => format!("+{} d {} h", secs / 86_400, secs / 3_600 % 24),
    }
}

/// Every time at which something is drawn.
fn times(run: &RunDetail, end: DateTime<Utc>, entries: &[Entry]) -> BTreeSet<DateTime<Utc>> {
    let mut times = BTreeSet::from([run.started_at, end]);
    for entry in entries {
        if let Entry::Lane(lane) = entry {
            times.extend(lane.bars.iter().flat_map(|bar| [bar.from, bar.to]));
            times.extend(lane.marks.iter().map(|(at, _)| *at));
        }
    }
    times
}

fn line(entry: &Entry, y: i64, scale: &Scale) -> Line {
    match entry {
        Entry::Lane(lane) => Line::Lane(drawn(lane, y, scale)),
        Entry::Rule { words, back } => Line::Rule { y, words: cut(words, 130), back: *back },
        Entry::Folded(count) => {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            Line::Folded { y, words: format!("{} not drawn", words::count(count, "row")) }
        }
    }
}

fn drawn(lane: &Lane, y: i64, scale: &Scale) -> Drawn {
    let middle = y + LANE / 2;
    let rect = |bar: &story::Bar| {
        let x = scale.x(bar.from);
        let least = if bar.tone == Tone::Undo { HATCHED } else { LEAST };
        Rect { x, width: (scale.x(bar.to) - x).max(least), class: class(bar.tone) }
    };
    let mut parts = vec![lane.label.clone(), lane.note.clone()];
    parts.extend(lane.marks.iter().map(|(_, mark)| said(*mark).to_owned()));
    parts.extend(lane.pivot.then(|| "the pivot: from here only forward".to_owned()));
    parts.extend(lane.seq.map(|seq| format!("row {seq}")));
    parts.retain(|part| !part.is_empty());
    parts.dedup();
    Drawn {
        y,
        middle,
        name: cut(&lane.label, NAME),
        note: cut(&lane.note, NOTE),
        whole: parts.join(", "),
        seq: lane.seq,
        bars: lane
            .bars
            .iter()
            .filter(|bar| bar.tone != Tone::Ahead || bar.to > bar.from)
            .map(rect)
            .collect(),
        marks: lane.marks.iter().map(|(at, mark)| glyph(scale.x(*at), middle, *mark)).collect(),
        pivot: lane.bars.last().filter(|_| lane.pivot).map(|bar| scale.x(bar.to)),
        odd: lane.odd,
    }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Done => "done",
        Tone::Refused => "refused",
        Tone::Wait => "wait",
        Tone::Ahead => "ahead",
        Tone::Open => "open",
        Tone::Child => "child",
        Tone::Undo => "undo",
    }
}

fn said(mark: Mark) -> &'static str {
    match mark {
        Mark::Signal => "signal taken",
        Mark::Deadline => "deadline",
        Mark::Refused => "refused",
        Mark::Hand => "by an operator",
        Mark::Incident => "needs a person",
    }
}

/// A shape of its own for each mark.
fn glyph(x: i64, y: i64, mark: Mark) -> Glyph {
    let (path, class) = match mark {
        Mark::Signal => (format!("M{} {}h12l-6 9z", x - 6, y - 5), "signal"),
        Mark::Deadline => (format!("M{x} {}v16M{} {}h8", y - 8, x - 4, y - 8), "deadline"),
        Mark::Refused => (format!("M{} {}l10 10m0 -10l-10 10", x - 5, y - 5), "refused"),
        Mark::Hand => (format!("M{x} {}l6 6l-6 6l-6 -6z", y - 6), "hand"),
        Mark::Incident => {
            (format!("M{x} {}l8 14h-16zM{x} {}v5M{x} {}v1", y - 8, y - 3, y + 4), "incident")
        }
    };
    Glyph { path, class }
}

fn summary(run: &RunDetail, rows: &[RecordRow]) -> String {
    let rows_of = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    let number = |kind, noun| words::count(i64::try_from(rows_of(kind)).unwrap_or(i64::MAX), noun);
    let length = span(run.ended_at.unwrap_or(run.read_at) - run.started_at);
    let done = number("done", "step");
    let mut words = format!("{done} done in {length}");
    for (kind, noun) in [("rejected", "refusal"), ("signal", "signal"), ("undone", "undo")] {
        if rows_of(kind) > 0 {
            words = format!("{words}, {}", number(kind, noun));
        }
    }
    format!("{words}. The run is {}.", run.state.to_lowercase())
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests;
