//! What has to happen next with a run, as values. It does none of it.

use uuid::Uuid;

use crate::ctx::Until;
use crate::incident::NewIncident;
use crate::journal::Payload;
use crate::late::LateStart;

/// Who may write for a run: the claim under which a worker holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) run_id: Uuid,
    pub(crate) incarnation: Uuid,
    pub(crate) epoch: i32,
}

/// A signal as stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredSignal {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) payload: Payload,
}

/// What has to happen next with a run.
#[derive(Debug)]
pub(crate) enum Action {
    /// Call an activity outside the database.
    Call(Call),
    /// Run an activity in the database, in the commit that records it.
    Transact(Call),
    /// Leave memory until a signal or a time.
    Park(Park),
    /// The run has ended.
    End(End),
    /// A person must look.
    Stuck(NewIncident),
}

/// A call of an activity.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The activity's name.
    pub(crate) activity: String,
    /// The step that it belongs to, and which one of that name.
    pub(crate) step: String,
    pub(crate) occurrence: i32,
    pub(crate) input: Payload,
    pub(crate) role: Role,
    /// An earlier try may have had its effect.
    pub(crate) uncertain: bool,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A step of the program.
    Step {
        /// The activity that undoes it.
        undo: Option<&'static str>,
        /// Whether it is the pivot.
        pivot: bool,
        /// Whether it needs an intent and has none yet.
        unrecorded: bool,
    },
    /// The undoing of a step.
    Undo,
    /// The activity that ends a made-good run.
    Closing,
}

impl Role {
    /// Whether it belongs to making good: then there is nobody to take a refusal.
    pub(crate) fn is_compensation(self) -> bool {
        matches!(self, Self::Undo | Self::Closing)
    }
}

impl Call {
    /// Whether its intent has to be committed before it is made.
    pub(crate) fn needs_intent(&self) -> bool {
        matches!(self.role, Role::Step { unrecorded: true, .. })
    }

    /// The same call, with its intent committed.
    pub(crate) fn recorded(mut self) -> Self {
        if let Role::Step { unrecorded, .. } = &mut self.role {
            *unrecorded = false;
        }
        self
    }

    pub(crate) fn idempotency_key(&self, run_id: Uuid) -> String {
        let suffix = if self.role == Role::Undo { ":undo" } else { "" };
        format!("{run_id}:{}:{}{suffix}", self.step, self.occurrence)
    }
}

/// Why and how long a run leaves memory.
#[derive(Debug, Clone)]
pub(crate) struct Park {
    pub(crate) until: Until,
    /// The open wait, which a signal ends early; `None` for the pause before another attempt.
    pub(crate) wait: Option<String>,
    pub(crate) attempt: u32,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) state: &'static str,
    pub(crate) output: Option<Payload>,
    pub(crate) cause: Option<Payload>,
    /// The runs that take the signals which this one did not take.
    pub(crate) late: Vec<LateStart>,
}
