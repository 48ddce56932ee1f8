//! Where a run is stuck, read from its record and its incident. Writes nothing.

use serde_json::value::RawValue;

use super::verb::StepId;
use crate::incident::StuckCall;
use crate::journal::{Intent, Journal};
use crate::store::incidents::OpenIncident;

/// What a stuck run is stuck at.
pub(super) enum Place {
    /// A step of its program.
    Step(Intent),
    /// The undo of a step, or the closing.
    Back(StepId),
}

impl Place {
    pub(super) fn step(&self) -> StepId {
        match self {
            Self::Step(Intent { name, occurrence, .. }) => {
                StepId { name: name.clone(), occurrence: *occurrence }
            }
            Self::Back(step) => step.clone(),
        }
    }
}

/// The place; `None` when it is no step: the record does not fit, or the program panicked.
pub(super) fn place(journal: &Journal, incident: &OpenIncident) -> Option<Place> {
    if journal.compensating.is_some() {
        if let Some(undoable) = journal.undoables.last() {
            let (name, occurrence) = (undoable.name.clone(), undoable.occurrence);
            return Some(Place::Back(StepId { name, occurrence }));
        }
        let name = incident.step.clone().filter(|_| !journal.closed)?;
        return Some(Place::Back(StepId { name, occurrence: 0 }));
    }
    let named = |open: &&Intent| Some(&open.name) == incident.step.as_ref();
    let open = journal.open.iter().find(|open| {
        named(open) && incident.occurrence.is_none_or(|occurrence| open.occurrence == occurrence)
    });
    if let Some(open) = open.or_else(|| journal.open.first().filter(|_| incident.step.is_none())) {
        return Some(Place::Step(open.clone()));
    }
    if let (Some(name), Some(occurrence)) = (incident.step.clone(), incident.occurrence) {
        let call = incident.call.as_deref().and_then(|call| serde_json::from_str(call).ok());
        let none = || StuckCall { input: RawValue::NULL.to_owned(), undo: None, pivot: false };
        let StuckCall { input, undo, pivot } = call.unwrap_or_else(none);
        return Some(Place::Step(Intent { name, occurrence, input, undo, pivot }));
    }
    // A given result that the program could not read is given again.
    let unfit = incident.class == crate::incident::IncidentClass::NonDeterminism.as_str();
    journal.given.clone().filter(|_| unfit).map(Place::Step)
}
