//! A run's recorded need of a person: its class, its words, and what groups alike ones.

use std::any::Any;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::action::{Call, Role};
use crate::journal::Payload;
use crate::run::panic_text;

/// What kind of need it is. Activities add classes of their own through
/// [`crate::ActivityError::Review`].
///
/// ```
/// use makegood::IncidentClass;
///
/// let odd = IncidentClass::Review("amount_mismatch".into());
/// assert_ne!(odd, IncidentClass::RetriesUsedUp);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentClass {
    /// A step was tried as often as its policy allows.
    RetriesUsedUp,
    /// A compensation was refused, or tried as often as its policy allows.
    CompensationFailed,
    /// Nobody can tell whether an outside step happened.
    UnknownOutcome,
    /// A step was refused behind the pivot, where there is only forward.
    RejectedPastPivot,
    /// The program and its record do not fit together.
    NonDeterminism,
    /// The run has outlived too many workers.
    Poison,
    /// A payload or the number of steps is past its limit, or a write was refused.
    Unwritable,
    /// The program panicked.
    Panic,
    /// An operator paused the run.
    Paused,
    /// A class named by an activity.
    Review(Cow<'static, str>),
}

impl IncidentClass {
    /// Every class of the engine's own.
    ///
    /// ```
    /// let classes = makegood::IncidentClass::ALL.map(|class| class.as_str().to_owned());
    /// assert!(classes.contains(&"poison".to_owned()));
    /// ```
    pub const ALL: [Self; 9] = [
        Self::RetriesUsedUp,
        Self::CompensationFailed,
        Self::UnknownOutcome,
        Self::RejectedPastPivot,
        Self::NonDeterminism,
        Self::Poison,
        Self::Unwritable,
        Self::Panic,
        Self::Paused,
    ];

    /// The spelling in the table, in metrics and on the console.
    ///
    /// ```
    /// assert_eq!(makegood::IncidentClass::RetriesUsedUp.as_str(), "retries_used_up");
    /// ```
    pub fn as_str(&self) -> &str {
        match self {
            Self::RetriesUsedUp => "retries_used_up",
            Self::CompensationFailed => "compensation_failed",
            Self::UnknownOutcome => "unknown_outcome",
            Self::RejectedPastPivot => "rejected_past_pivot",
            Self::NonDeterminism => "non_determinism",
            Self::Poison => "poison",
            Self::Unwritable => "unwritable",
            Self::Panic => "panic",
            Self::Paused => "paused",
            Self::Review(class) => class,
        }
    }
}

/// Characters of an incident's message.
const MESSAGE_LIMIT: usize = 4_000;

/// An incident about to be opened.
#[derive(Debug, Clone)]
pub(crate) struct NewIncident {
    pub(crate) incident_id: Uuid,
    pub(crate) class: IncidentClass,
    pub(crate) step: Option<String>,
    pub(crate) occurrence: Option<i32>,
    pub(crate) call: Option<Payload>,
    pub(crate) message: String,
}

/// What the call of a step was, for whoever gives its result or another input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StuckCall {
    pub(crate) input: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pivot: bool,
}

impl NewIncident {
    pub(crate) fn new(class: IncidentClass, step: Option<&str>, message: &str) -> Self {
        let step = step.map(str::to_owned);
        // An incident must always be writable: PostgreSQL's text has no NUL.
        let message = message.chars().filter(|c| *c != '\0').take(MESSAGE_LIMIT).collect();
        let incident_id = Uuid::now_v7();
        Self { incident_id, class, step, occurrence: None, call: None, message }
    }

    /// Code of the caller's has panicked, or the engine.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        metrics::counter!("makegood_panics_total").increment(1);
        Self::new(IncidentClass::Panic, None, &panic_text(panic))
    }

    /// At this call.
    pub(crate) fn at(self, call: &Call) -> Self {
        let (undo, pivot) = match call.role {
            Role::Step { undo, pivot, .. } => (undo.map(str::to_owned), pivot),
            Role::Undo | Role::Closing => (None, false),
        };
        let stuck = StuckCall { input: call.input.clone(), undo, pivot };
        // An incident must always be writable: PostgreSQL's JSON has no NUL.
        let whole = serde_json::value::to_raw_value(&stuck).ok();
        let call_json = whole.filter(|json| !json.get().contains("\\u0000"));
        let (step, occurrence) = (Some(call.step.clone()), Some(call.occurrence));
        Self { step, occurrence, call: call_json, ..self }
    }

    /// The state of a run that has it open.
    pub(crate) fn state(&self) -> &'static str {
        if self.class == IncidentClass::Paused { "PAUSED" } else { "STUCK" }
    }

    /// Alike incidents share it: class, step, and the message without its numbers and ids.
    pub(crate) fn fingerprint(&self) -> String {
        let words = self.message.split_whitespace();
        let telling = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
        let mut name = vec![self.class.as_str(), self.step.as_deref().unwrap_or_default()];
        name.extend(telling);
        // A hash that is the same in every release and on every machine.
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.join(" ").as_bytes()).simple().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_incidents_share_a_fingerprint_and_others_do_not() {
        let of =
            |class, step, message: &str| NewIncident::new(class, Some(step), message).fingerprint();
        let first = of(IncidentClass::RetriesUsedUp, "charge", "status 503 for order_81");
        let alike = of(IncidentClass::RetriesUsedUp, "charge", "status 502 for order_97");
        let other = of(IncidentClass::RetriesUsedUp, "refund", "status 503 for order_81");
        assert_eq!(first, alike, "numbers and ids do not tell incidents apart");
        assert_ne!(first, other, "the step does");
    }
}
