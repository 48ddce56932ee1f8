//! Where a run is stuck, read from its record and its incident. Writes nothing.

use serde_json::value::RawValue;
use uuid::Uuid;

use super::verb::StepId;
use crate::ctx::{ChildEnd, ChildId};
use crate::incident::{IncidentClass, StuckCall};
use crate::journal::{Intent, Journal, Recorded, RowKind, TakenSignal};
use crate::store::incidents::OpenIncident;

/// What a stuck run is stuck at.
pub(super) enum Place {
    /// A step of its program.
    Step(Intent),
    /// The undo of a step, or the closing.
    Back(StepId),
    /// A child that did not complete; its run, if another can stand in its place.
    Child(StepId, Option<Uuid>),
}

impl Place {
    pub(super) fn step(&self) -> StepId {
        match self {
            Self::Step(Intent { name, occurrence, .. }) => {
                StepId { name: name.clone(), occurrence: *occurrence }
            }
            Self::Back(step) | Self::Child(step, _) => step.clone(),
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
    if let Some(child) = child(journal, incident) {
        return Some(child);
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
    let unfit = incident.class == IncidentClass::NonDeterminism.as_str();
    journal.given.clone().filter(|_| unfit).map(Place::Step)
}

/// The child whose failure the program passed on behind its pivot. If the program did more after it
/// learnt of that, another output can stand in its place, another run cannot: what it asked for
/// before may have been answered since, as other children's ends are.
fn child(journal: &Journal, incident: &OpenIncident) -> Option<Place> {
    if incident.class != IncidentClass::RejectedPastPivot.as_str() {
        return None;
    }
    let name = incident.step.as_ref()?;
    let failed = |r: &Recorded| r.kind == RowKind::Ended && r.name == *name && !is_completed(r);
    let at = journal.recorded.iter().rposition(failed)?;
    let occurrence = journal.recorded.get(at)?.occurrence;
    let started_before = |name: &str, occurrence: i32| {
        let before = journal.recorded.iter().take(at);
        before
            .rev()
            .find(|r| r.kind == RowKind::Started && r.name == name && r.occurrence == occurrence)
    };
    let is_asked_before =
        |r: &Recorded| r.kind == RowKind::Ended && started_before(&r.name, r.occurrence).is_some();
    let step = StepId { name: name.clone(), occurrence };
    if !journal.recorded.iter().skip(at.saturating_add(1)).all(is_asked_before) {
        return Some(Place::Child(step, None));
    }
    let started = started_before(name, occurrence)?.result.as_ref()?;
    let child: ChildId = serde_json::from_str(started.get()).ok()?;
    Some(Place::Child(step, Some(child.run_id)))
}

fn is_completed(ended: &Recorded) -> bool {
    let letter = ended.result.as_ref().and_then(|taken| {
        let taken: TakenSignal = serde_json::from_str(taken.get()).ok()?;
        serde_json::from_str::<ChildEnd>(taken.payload.get()).ok()
    });
    letter.is_some_and(|end| end.is_completed())
}
