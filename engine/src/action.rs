//! What has to happen next with a run, as values. It does none of it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ctx::{NewChild, Until};
use crate::incident::NewIncident;
use crate::journal::Payload;
use crate::lane::StartOptions;
use crate::late::LateStart;
use crate::registry::KindOf;

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
    /// Call activities outside the database, at the same time.
    Call(Vec<Call>),
    /// Run an activity in the database, in the commit that records it; or commit the intent of a
    /// pivot outside, which takes a transaction too.
    Transact(Call),
    /// Nothing, before a call that is under way is answered or one of these waits ends.
    Await(Option<Park>),
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
    pub(crate) kind: KindOf,
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

    /// Whether it is a pivot outside whose intent is not committed: an acknowledged cancel comes
    /// before that.
    pub(crate) fn is_leap(&self) -> bool {
        self.is_pivot() && self.needs_intent()
    }

    pub(crate) fn is_pivot(&self) -> bool {
        matches!(self.role, Role::Step { pivot: true, .. })
    }

    /// The same call, with its intent committed.
    pub(crate) fn recorded(mut self) -> Self {
        if let Role::Step { unrecorded, .. } = &mut self.role {
            *unrecorded = false;
        }
        self
    }

    pub(crate) fn idempotency_key(&self, run_id: Uuid) -> String {
        let suffix = if self.role == Role::Undo { UNDO_SUFFIX } else { "" };
        if planted::has("each attempt has a key of its own") {
            return Uuid::now_v7().to_string();
        }
        idempotency_key(run_id, &self.step, self.occurrence, suffix)
    }

    /// Under which its attempts are counted, unique in its run.
    pub(crate) fn key(&self) -> String {
        let prefix = if self.role.is_compensation() { "undo " } else { "" };
        format!("{prefix}{}#{}", self.step, self.occurrence)
    }
}

/// What tells the key of an undo from that of its step.
pub(crate) const UNDO_SUFFIX: &str = ":undo";

/// The key of a call, the same for each of its attempts.
pub(crate) fn idempotency_key(run_id: Uuid, step: &str, occurrence: i32, suffix: &str) -> String {
    format!("{run_id}:{step}:{occurrence}{suffix}")
}

/// The failed attempts of a step that is not done yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tries {
    pub(crate) failed: u32,
    /// When the first attempt was made, by an estimate of the database's clock.
    pub(crate) since: DateTime<Utc>,
    /// When the next one may be made, likewise.
    pub(crate) not_before: DateTime<Utc>,
}

/// The failed attempts of a run's open steps, by [`Call::key`].
pub(crate) type AllTries = HashMap<String, Tries>;

/// Why and how long a run leaves memory, or rests with calls under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Park {
    /// The open waits, which a signal or their time ends; `None`: those of before, as they are.
    pub(crate) waits: Option<Vec<(String, Until)>>,
    /// When to look again in any case: the pause before another attempt.
    pub(crate) wake: Option<std::time::Duration>,
}

impl Park {
    /// Until a pause is over. What else the run waits for goes on to wait.
    pub(crate) fn pause(wake: std::time::Duration) -> Self {
        Self { waits: None, wake: Some(wake) }
    }
}

/// A run to be started with its parent's turn.
#[derive(Debug)]
pub(crate) struct ChildStart {
    pub(crate) workflow: String,
    pub(crate) workflow_id: String,
    /// Queue, priority and share: its parent's.
    pub(crate) options: Arc<StartOptions>,
    pub(crate) child: NewChild,
}

/// A message to another run, delivered after the commit that it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) run_id: Uuid,
    pub(crate) signal_id: String,
    pub(crate) kind: &'static str,
    pub(crate) payload: Payload,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) state: &'static str,
    pub(crate) output: Option<Payload>,
    pub(crate) cause: Option<Payload>,
    /// The runs that take the signals which this one did not take.
    pub(crate) late: Vec<LateStart>,
    /// What the parent is told.
    pub(crate) letter: Option<Letter>,
}
