//! A filter as the statement of a list takes it. Reads nothing.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::run_filter::{Order, RunFilter, Shown, Term, What, When};

/// How far the clock of a run's starter, which is in its id, may be from the database's.
const SKEW: TimeDelta = TimeDelta::hours(1);

/// What is asked for; `None` asks for nothing.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) newest_first: bool,
    pub(super) after: Option<Uuid>,
    /// The bounds of the ids that runs of the times asked for can have.
    pub(super) lowest: Option<Uuid>,
    pub(super) highest: Option<Uuid>,
    pub(super) states: Option<Vec<&'static str>>,
    pub(super) retrying: bool,
    pub(super) other_states: Option<Vec<&'static str>>,
    pub(super) not_retrying: bool,
    pub(super) is: Words,
    pub(super) not: Words,
    pub(super) started_from: Option<DateTime<Utc>>,
    pub(super) started_before: Option<DateTime<Utc>>,
    pub(super) ended_from: Option<DateTime<Utc>>,
    pub(super) ended_before: Option<DateTime<Utc>>,
    /// Not ended from then on: before, or not at all.
    pub(super) not_ended_from: Option<DateTime<Utc>>,
    /// Not ended before then: later, or not at all.
    pub(super) not_ended_before: Option<DateTime<Utc>>,
    pub(super) quiet_since: Option<DateTime<Utc>>,
    pub(super) lively_since: Option<DateTime<Utc>>,
    pub(super) limit: i64,
}

/// What is asked for by its words, or left out by them.
#[derive(Default)]
pub(super) struct Words {
    pub(super) workflows: Option<Vec<String>>,
    /// An array of values for each name.
    pub(super) attributes: Option<Value>,
    pub(super) classes: Option<Vec<String>>,
    pub(super) fingerprints: Option<Vec<String>>,
    pub(super) errors: Option<Vec<String>>,
    pub(super) ids: Option<Vec<String>>,
}

impl Wanted {
    pub(super) fn of(filter: &RunFilter, now: DateTime<Utc>) -> Self {
        let mut wanted = Self {
            newest_first: filter.order == Order::NewestFirst,
            after: filter.after,
            limit: i64::from(filter.limit),
            ..Self::default()
        };
        for term in &filter.terms {
            wanted.take(term, now);
        }
        wanted.lowest = wanted.started_from.and_then(|at| edge(at - SKEW, 0));
        wanted.highest = wanted.started_before.and_then(|at| edge(at + SKEW, u8::MAX));
        wanted
    }

    fn take(&mut self, Term { not, what }: &Term, now: DateTime<Utc>) {
        let words = if *not { &mut self.not } else { &mut self.is };
        match (what, not) {
            (What::State(Shown::Retrying), false) => {
                self.retrying = true;
                self.states.get_or_insert_default();
            }
            (What::State(Shown::Retrying), true) => self.not_retrying = true,
            (What::State(shown), _) => {
                let list = if *not { &mut self.other_states } else { &mut self.states };
                list.get_or_insert_default().extend(shown.states().iter().map(|s| s.as_str()));
            }
            (What::Workflow(name), _) => push(&mut words.workflows, name),
            (What::Attribute(name, value), _) => attribute(&mut words.attributes, name, value),
            (What::Id(id), _) => push(&mut words.ids, id),
            (What::Class(class), _) => push(&mut words.classes, class),
            (What::Fingerprint(name), _) => push(&mut words.fingerprints, name),
            (What::Error(text), _) => push(&mut words.errors, &text.to_lowercase()),
            (What::QuietFor(length), false) => {
                sooner(&mut self.quiet_since, When::Ago(*length).at(now));
            }
            (What::QuietFor(length), true) => {
                later(&mut self.lively_since, When::Ago(*length).at(now));
            }
            (What::Since(when), false) | (What::Until(when), true) => {
                later(&mut self.started_from, when.at(now));
            }
            (What::Until(when), false) | (What::Since(when), true) => {
                sooner(&mut self.started_before, when.at(now));
            }
            (What::EndedSince(when), false) => later(&mut self.ended_from, when.at(now)),
            (What::EndedUntil(when), false) => sooner(&mut self.ended_before, when.at(now)),
            (What::EndedSince(when), true) => sooner(&mut self.not_ended_from, when.at(now)),
            (What::EndedUntil(when), true) => later(&mut self.not_ended_before, when.at(now)),
        }
    }
}

fn push(list: &mut Option<Vec<String>>, word: &str) {
    list.get_or_insert_default().push(word.to_owned());
}

fn attribute(all: &mut Option<Value>, name: &str, value: &str) {
    let all = all.get_or_insert_with(|| json!({})).as_object_mut();
    let values = all.map(|all| all.entry(name).or_insert_with(|| json!([])));
    if let Some(Value::Array(values)) = values {
        values.push(json!(value));
    }
}

fn later(bound: &mut Option<DateTime<Utc>>, at: DateTime<Utc>) {
    *bound = Some(bound.map_or(at, |bound| bound.max(at)));
}

fn sooner(bound: &mut Option<DateTime<Utc>>, at: DateTime<Utc>) {
    *bound = Some(bound.map_or(at, |bound| bound.min(at)));
}

/// The first or last id that is made at a time: ids begin with the time, in milliseconds.
fn edge(at: DateTime<Utc>, rest: u8) -> Option<Uuid> {
    let millis = u64::try_from(at.timestamp_millis()).ok()?;
    let [_, _, time @ ..] = millis.to_be_bytes();
    let mut bytes = [rest; 16];
    bytes.get_mut(..6)?.copy_from_slice(&time);
    Some(Uuid::from_bytes(bytes))
}
