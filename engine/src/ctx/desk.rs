//! Where the program leaves what it wants and finds what it got. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use uuid::Uuid;

use super::Ctx;
use crate::journal::{Payload, Recorded};
use crate::workflow::Rejection;

/// Where the program leaves what it wants and finds what it got.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) run_id: Uuid,
    pub(crate) payload_limit: usize,
    state: Mutex<DeskState>,
}

#[derive(Debug, Default)]
struct DeskState {
    recorded: Vec<Recorded>,
    counts: Vec<(&'static str, i32)>,
    wants: Vec<Want>,
    reply: Option<Reply>,
}

/// What a program asks for.
#[derive(Debug)]
pub(crate) enum Want {
    /// A step.
    Step(WantedStep),
    /// A signal, or the passing of time.
    Wait(WantedWait),
    /// Program and record do not fit together.
    Fault(String),
}

/// A step that is not recorded yet.
#[derive(Debug)]
pub(crate) struct WantedStep {
    pub(crate) name: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) input: Payload,
    pub(crate) undo: Option<&'static str>,
    pub(crate) pivot: bool,
}

/// A wait that is not recorded yet. Without a kind of signal it is a timer.
#[derive(Debug, Clone)]
pub(crate) struct WantedWait {
    pub(crate) name: &'static str,
    pub(crate) occurrence: i32,
    pub(crate) kind: Option<&'static str>,
    pub(crate) until: Until,
}

/// When a wait is over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// At a time.
    At(DateTime<Utc>),
    /// After a time, counted by the database from the wait's commit.
    After(Duration),
}

/// The answer to a want.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A step's result.
    Done(Payload),
    /// A step's refusal.
    Rejected(Rejection),
    /// The payload of a signal.
    Signal(Payload),
    /// The time has come.
    Elapsed,
}

impl Desk {
    pub(crate) fn new(run_id: Uuid, payload_limit: usize, recorded: Vec<Recorded>) -> Arc<Self> {
        let state = DeskState { recorded, ..DeskState::default() };
        Arc::new(Self { run_id, payload_limit, state: Mutex::new(state) })
    }

    pub(crate) fn ctx(self: &Arc<Self>) -> Ctx {
        Ctx(Arc::clone(self))
    }

    pub(crate) fn take_wants(&self) -> Vec<Want> {
        std::mem::take(&mut self.state.lock().wants)
    }

    pub(crate) fn reply(&self, reply: Reply) {
        self.state.lock().reply = Some(reply);
    }

    /// The first recorded answer that nobody asked for.
    pub(crate) fn unasked(&self) -> Option<String> {
        let state = self.state.lock();
        state.recorded.first().map(|r| format!("{}#{}", r.name, r.occurrence))
    }

    pub(super) fn fault(&self, fault: String) {
        self.state.lock().wants.push(Want::Fault(fault));
    }

    /// The recorded answer to this want, or which occurrence it is.
    pub(super) fn recall(&self, name: &'static str) -> Result<Recorded, i32> {
        let mut state = self.state.lock();
        let occurrence = match state.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                state.counts.push((name, 0));
                0
            }
        };
        let found =
            state.recorded.iter().position(|r| r.name == name && r.occurrence == occurrence);
        match found {
            Some(index) => Ok(state.recorded.remove(index)),
            None => Err(occurrence),
        }
    }

    pub(super) fn want(&self, want: Want) {
        self.state.lock().wants.push(want);
    }

    pub(super) fn take_reply(&self) -> Option<Reply> {
        self.state.lock().reply.take()
    }
}
