//! Orders of operators to a run that a worker holds: they come as signals and are taken at the
//! run's next wait, end or pivot. What a run that nobody holds needs is done by the verb itself.

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::Run;
use crate::action::{Action, StoredSignal};
use crate::incident::{IncidentClass, NewIncident};
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
    /// Takes the signal in if it is an order; hands it back when it is none.
    pub(super) fn take_order(&mut self, signal: StoredSignal) -> Option<StoredSignal> {
        let signed = || serde_json::from_str(signal.payload.get()).unwrap_or_default();
        match signal.kind.as_str() {
            // To end it outweighs to pause it.
            PAUSE if self.order.is_none() => self.order = Some(Order::Pause(signed())),
            PAUSE | VOIDED => {}
            TERMINATE => self.order = Some(Order::Terminate(signed())),
            COMPENSATE => {
                let signature: Signature = signed();
                self.turn_back(signal, signature.cause());
            }
            _ => return Some(signal),
        }
        None
    }

    /// What the order wants done, before anything else, as soon as no call is under way.
    pub(super) fn obey(&mut self) -> Action {
        // Kept: an end is refused when there is mail, and is ordered still.
        match self.order.clone() {
            None => Action::Await(None),
            Some(Order::Pause(signature)) => Action::Stuck(signature.pause()),
            Some(Order::Terminate(signature)) => {
                let cause = to_raw_value(&signature.cause()).ok();
                Action::End(self.ended("CLOSED", None, cause))
            }
        }
    }
}
