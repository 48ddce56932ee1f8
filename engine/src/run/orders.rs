//! Orders of operators to a run that a worker holds: they come as signals and are taken at the
//! run's next wait, end or pivot. What a run that nobody holds needs is done by the verb itself.

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::Run;
use crate::action::{Action, End, StoredSignal};
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::RowKind;
use crate::workflow::Cause;

/// The kind of signal by which an operator pauses a run.
pub(crate) const PAUSE: &str = "$pause";
/// The kind of signal by which an operator ends a run as it stands.
pub(crate) const TERMINATE: &str = "$terminate";
/// The kind of signal by which an operator has a run made good.
pub(crate) const COMPENSATE: &str = "$compensate";
/// The kind that an order, or a cancel, gets when it is void.
pub(crate) const VOIDED: &str = "$voided";

/// Who ordered it and why: the payload of an order.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub(crate) struct Signature {
    pub(crate) actor: String,
    pub(crate) reason: String,
}

/// An order that ends the run's stay in memory.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Pause(Signature),
    Terminate(Signature),
}

impl Signature {
    /// The cause of what it orders.
    pub(crate) fn cause(&self) -> Cause {
        Cause::Operator { actor: self.actor.clone(), reason: self.reason.clone() }
    }

    /// The incident of the run that it pauses.
    pub(crate) fn pause(&self) -> NewIncident {
        let message = format!("{}: {}", self.actor, self.reason);
        NewIncident::new(IncidentClass::Paused, None, &message)
    }
}

impl Run {
    /// Takes the signal in if it is an order; `false` when it is none.
    pub(super) fn take_order(&mut self, signal: &StoredSignal) -> bool {
        let signed = || serde_json::from_str(signal.payload.get()).unwrap_or_default();
        match signal.kind.as_str() {
            // To end it outweighs to pause it.
            PAUSE if self.order.is_none() => self.order = Some(Order::Pause(signed())),
            PAUSE | VOIDED => {}
            TERMINATE => self.order = Some(Order::Terminate(signed())),
            COMPENSATE if self.journal.compensating.is_some() => {}
            COMPENSATE if self.journal.pivoted => {
                self.record_taken(RowKind::Refused, COMPENSATE, 0, signal);
            }
            COMPENSATE => self.make_good(signed().cause()),
            _ => return false,
        }
        true
    }

    /// What the order wants done, before anything else.
    pub(super) fn obey(&self) -> Option<Action> {
        match self.order.as_ref()? {
            Order::Pause(signature) => Some(Action::Stuck(signature.pause())),
            Order::Terminate(signature) => match self.end("CLOSED", None) {
                Action::End(end) => {
                    let cause = to_raw_value(&signature.cause()).ok();
                    Some(Action::End(End { cause, ..end }))
                }
                other => Some(other),
            },
        }
    }

    /// Whether an order waits to be obeyed.
    pub(crate) fn is_ordered(&self) -> bool {
        self.order.is_some()
    }
}
