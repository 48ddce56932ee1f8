//! Where the program leaves what it wants and finds what it got. It decides nothing.
//!
//! Answers come one at a time, and the program is polled after each: live in the order in which
//! they are recorded, and on a replay in the order of the record. So a program that waits for
//! several things at once sees them in the same order each time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use crate::clock::Clock;
use crate::journal::{Payload, Recorded, RowKind};
use crate::workflow::Rejection;

/// Which want: its name, and how many of that name the program made before.
pub(crate) type Key = (&'static str, i32);

/// Where the program leaves what it wants and finds what it got.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) run_id: Uuid,
    pub(crate) payload_limit: usize,
    clock: Clock,
    state: Mutex<DeskState>,
}

#[derive(Debug, Default)]
struct DeskState {
    /// What the record holds and the program has not learnt yet.
    recorded: VecDeque<Recorded>,
    /// Steps that were intended and that the program has not asked for yet.
    foreseen: Vec<(String, i32)>,
    counts: HashMap<&'static str, i32>,
    asked: HashMap<&'static str, BTreeMap<i32, Asked>>,
    versions: HashMap<&'static str, i32>,
    news: News,
}

/// A want that is not answered yet, or whose answer was not fetched.
#[derive(Debug)]
struct Asked {
    of: Asking,
    waker: Option<Waker>,
    reply: Option<Reply>,
}

/// What kind of answer a want takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    Step,
    Signal,
    Timer,
    Child,
}

impl Asking {
    fn takes(self, kind: RowKind) -> bool {
        match self {
            Self::Step => matches!(kind, RowKind::Done | RowKind::Rejected),
            Self::Signal => matches!(kind, RowKind::Signal | RowKind::Timeout),
            Self::Timer => kind == RowKind::Slept,
            // An operator may have given its output.
            Self::Child => matches!(kind, RowKind::Ended | RowKind::Done),
        }
    }
}

/// What the program did since it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) wants: Vec<Want>,
    /// Waits that nobody listens to any more.
    pub(crate) dropped: Vec<Key>,
    /// What it was given at once, for the record.
    pub(crate) given: Vec<Given>,
    pub(crate) published: Vec<(String, Payload)>,
    /// Program and record do not fit together.
    pub(crate) fault: Option<String>,
}

/// What a program asks for.
#[derive(Debug)]
pub(crate) enum Want {
    /// A step.
    Step(WantedStep),
    /// A signal, a child's end, or the passing of time.
    Wait(WantedWait),
}

/// A step that is not answered yet.
#[derive(Debug)]
pub(crate) struct WantedStep {
    pub(crate) key: Key,
    pub(crate) input: Payload,
    pub(crate) undo: Option<&'static str>,
    pub(crate) pivot: bool,
}

/// A wait that is not answered yet.
#[derive(Debug, Clone)]
pub(crate) struct WantedWait {
    pub(crate) key: Key,
    pub(crate) takes: Takes,
    pub(crate) until: Until,
}

/// What ends a wait early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A signal of this kind.
    Signal(&'static str),
    /// The message that this child has ended.
    Child(Uuid),
    /// Nothing does: it is a timer.
    Nothing,
}

/// When a wait is over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// At a time.
    At(DateTime<Utc>),
    /// After a time, counted by the database from the wait's commit.
    After(Duration),
}

/// What a program was given at once.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) kind: RowKind,
    pub(crate) key: Key,
    pub(crate) result: Payload,
    /// The child that is started with the next commit.
    pub(crate) child: Option<NewChild>,
}

/// A child about to be started.
#[derive(Debug)]
pub(crate) struct NewChild {
    pub(crate) run_id: Uuid,
    pub(crate) version: i32,
    pub(crate) input: Payload,
    pub(crate) detached: bool,
}

/// The answer to a want.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A step's result.
    Done(Payload),
    /// A step's refusal.
    Rejected(Rejection),
    /// The payload of a signal, or a child's ending.
    Message(Payload),
    /// The time has come.
    Elapsed,
}

/// The next record that the program has not learnt.
pub(crate) enum Next {
    /// It answers a want.
    Answer(Recorded),
    /// It answers nothing that the program asks for.
    Misfit(String),
    /// The whole record is replayed.
    None,
}

impl Desk {
    pub(crate) fn new(
        run_id: Uuid,
        payload_limit: usize,
        clock: Clock,
        recorded: VecDeque<Recorded>,
        foreseen: Vec<(String, i32)>,
    ) -> Arc<Self> {
        let state = DeskState { recorded, foreseen, ..DeskState::default() };
        Arc::new(Self { run_id, payload_limit, clock, state: Mutex::new(state) })
    }

    /// The run's side: what the program did since the last look.
    pub(crate) fn take_news(&self) -> News {
        std::mem::take(&mut self.state.lock().news)
    }

    /// The run's side: the next record, if the program asks for it. A marker of a version that the
    /// program no longer asks for is passed over.
    pub(crate) fn next_recorded(&self) -> Next {
        let mut state = self.state.lock();
        while state.recorded.pop_front_if(|r| r.kind == RowKind::Version).is_some() {}
        let Some(front) = state.recorded.front() else { return Next::None };
        let asked = state.asked.get(front.name.as_str()).and_then(|of| of.get(&front.occurrence));
        match asked {
            Some(asked) if asked.of.takes(front.kind) => match state.recorded.pop_front() {
                Some(recorded) => Next::Answer(recorded),
                None => Next::None,
            },
            _ if planted::has("a replay ignores a difference") => Next::None,
            _ => Next::Misfit(named(front)),
        }
    }

    /// The run's side: answers a want. Nobody may listen any more.
    pub(crate) fn answer(&self, name: &str, occurrence: i32, reply: Reply) {
        let mut state = self.state.lock();
        let found = state.asked.get_mut(name).and_then(|of| of.get_mut(&occurrence));
        if let Some(asked) = found {
            asked.reply = Some(reply);
            if let Some(waker) = asked.waker.take() {
                drop(state);
                waker.wake();
            }
        }
    }

    /// Which one of its name a new want is.
    pub(super) fn number(&self, name: &'static str) -> Key {
        let mut state = self.state.lock();
        let count = state.counts.entry(name).or_insert(-1);
        *count = count.saturating_add(1);
        (name, *count)
    }

    /// Which number the next want of this name will have.
    pub(super) fn next_number(&self, name: &str) -> i32 {
        self.state.lock().counts.get(name).copied().unwrap_or(-1).saturating_add(1)
    }

    pub(super) fn ask(&self, key: Key, of: Asking, want: Want, waker: &Waker) {
        let mut state = self.state.lock();
        state.foreseen.retain(|(name, occurrence)| name != key.0 || *occurrence != key.1);
        let asked = Asked { of, waker: Some(waker.clone()), reply: None };
        state.asked.entry(key.0).or_default().insert(key.1, asked);
        state.news.wants.push(want);
    }

    /// The answer, if there is one; otherwise the waker is called when there is.
    pub(super) fn fetch(&self, key: Key, waker: &Waker) -> Option<Reply> {
        let mut state = self.state.lock();
        let of_name = state.asked.get_mut(key.0)?;
        let asked = of_name.get_mut(&key.1)?;
        if let Some(reply) = asked.reply.take() {
            of_name.remove(&key.1);
            return Some(reply);
        }
        asked.waker = Some(waker.clone());
        None
    }

    /// Nobody listens to this want any more. A wait is over with it; a step that was asked for is
    /// done all the same.
    pub(super) fn unheard(&self, key: Key) {
        let mut state = self.state.lock();
        let Some(of_name) = state.asked.get_mut(key.0) else { return };
        if of_name.get(&key.1).is_some_and(|asked| asked.of != Asking::Step) {
            of_name.remove(&key.1);
            state.news.dropped.push(key);
        }
    }

    /// What the program is given at once: the recorded one, or a new one.
    pub(super) fn give(&self, kind: RowKind, key: Key, fresh: impl FnOnce() -> Given) -> Payload {
        let mut state = self.state.lock();
        let (name, occurrence) = key;
        while let Some(front) = state.recorded.front() {
            if front.kind == kind && front.name == name && front.occurrence == occurrence {
                let recorded = state.recorded.pop_front();
                return recorded.and_then(|r| r.result).unwrap_or_else(crate::run::null);
            }
            if front.kind == RowKind::Version {
                state.recorded.pop_front();
                continue;
            }
            let fault = format!(
                "the record goes on with {}, the program with {} {name}#{occurrence}",
                named(front),
                kind.as_str(),
            );
            state.news.fault.get_or_insert(fault);
            break;
        }
        let given = fresh();
        let result = given.result.clone();
        state.news.given.push(given);
        result
    }

    /// The database's time, the same on each replay.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let key = self.number("now");
        let now = self.give(RowKind::Value, key, || {
            let result = to_raw_value(&self.clock.now()).unwrap_or_else(|_| crate::run::null());
            Given { kind: RowKind::Value, key, result, child: None }
        });
        serde_json::from_str(now.get()).unwrap_or_else(|error| {
            self.fault(format!("the recorded time cannot be read: {error}"));
            DateTime::UNIX_EPOCH
        })
    }

    /// The version of a change that this run goes by: 0 when it came past before the change.
    pub(super) fn version(&self, change: &'static str, newest: i32) -> i32 {
        let mut state = self.state.lock();
        if let Some(known) = state.versions.get(change) {
            return *known;
        }
        // Before it may be markers that the program no longer asks for.
        let mut markers = state.recorded.iter().take_while(|r| r.kind == RowKind::Version);
        let at = markers.position(|marker| marker.name == change);
        let version = if let Some(marker) = at.and_then(|at| state.recorded.remove(at)) {
            let text = marker.result.as_ref().map_or("0", |result| result.get());
            serde_json::from_str(text).unwrap_or_default()
        } else if state.recorded.is_empty() && state.foreseen.is_empty() {
            let result = to_raw_value(&newest).unwrap_or_else(|_| crate::run::null());
            let key = (change, 0);
            state.news.given.push(Given { kind: RowKind::Version, key, result, child: None });
            newest
        } else {
            0
        };
        state.versions.insert(change, version);
        version
    }

    /// Shows a value to the outside; a replay has shown it before.
    pub(super) fn publish(&self, key: &str, value: Payload) {
        let mut state = self.state.lock();
        if state.recorded.is_empty() {
            state.news.published.push((key.to_owned(), value));
        }
    }

    pub(super) fn fault(&self, fault: String) {
        self.state.lock().news.fault.get_or_insert(fault);
    }
}

fn named(recorded: &Recorded) -> String {
    format!("{} {}#{}", recorded.kind.as_str(), recorded.name, recorded.occurrence)
}
