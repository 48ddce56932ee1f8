//! Where a run is stuck, read from its record and its incident. Writes nothing.

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::verb::StepId;
use crate::client::Client;
use crate::error::Error;
use crate::incident::StuckCall;
use crate::journal::{Intent, Journal};
use crate::store::incidents::{self, OpenIncident};
use crate::store::tasks;

/// The step at which a run is stuck, and that a person may skip or give another input.
///
/// ```
/// use makegood::operator::StuckAt;
///
/// fn words(at: &StuckAt) -> String {
///     if at.is_undo { format!("the undo of {}", at.step) } else { at.step.to_string() }
/// }
/// let at = StuckAt { step: "charge".parse().unwrap(), is_undo: true };
/// assert_eq!(words(&at), "the undo of charge#0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StuckAt {
    /// The step.
    pub step: StepId,
    /// It is the step's undo, or the closing, that could not be done.
    pub is_undo: bool,
}

impl Client {
    /// Where a run is stuck; `None` when it is not, or at no step.
    ///
    /// ```no_run
    /// # async fn example(client: &makegood::Client, run_id: uuid::Uuid) -> Result<(), makegood::Error> {
    /// if let Some(at) = client.stuck_at(run_id).await? {
    ///     println!("what would {} have answered?", at.step);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] when it does not answer, [`Error::Json`] when the record cannot be read.
    pub async fn stuck_at(&self, run_id: Uuid) -> Result<Option<StuckAt>, Error> {
        let mut conn = self.connections().acquire().await?;
        let Some(incident) = incidents::open(&mut conn, run_id).await? else { return Ok(None) };
        let raw = tasks::reread(&mut conn, run_id).await?;
        let journal = raw.read().and_then(|(history, _)| Journal::fold(history));
        let journal = journal
            .map_err(|source| Error::Json { what: format!("the record of {run_id}"), source })?;
        Ok(place(&journal, &incident)
            .map(|place| StuckAt { step: place.step(), is_undo: matches!(place, Place::Back(_)) }))
    }
}

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
