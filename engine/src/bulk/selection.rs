//! Which runs a bulk action is for. Everything that is said narrows it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::attributes::Attributes;
use crate::operator::{RunState, VerbKind};
use crate::store::bulk::Filter;

/// The most runs that one bulk action takes.
const LIMIT: i64 = 100_000;

/// Which runs: all live ones (of a fork: ended ones too), narrowed by what is said.
///
/// ```
/// use makegood::bulk::Selection;
/// use makegood::RunState;
///
/// let stuck = Selection::new().workflow("checkout").state(RunState::Stuck).class("poison");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    workflow: Option<String>,
    states: Vec<RunState>,
    class: Option<String>,
    fingerprint: Option<String>,
    started_from: Option<DateTime<Utc>>,
    started_before: Option<DateTime<Utc>>,
    ids: Vec<Uuid>,
    attributes: Attributes,
}

impl Selection {
    /// Every live run.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// assert!(Selection::new().is_everything());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Only runs of this workflow.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// let checkouts = Selection::new().workflow("checkout");
    /// assert!(!checkouts.is_everything());
    /// ```
    #[must_use]
    pub fn workflow(self, name: impl Into<String>) -> Self {
        Self { workflow: Some(name.into()), ..self }
    }

    /// Only runs in this state, or in one of several.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// let still = Selection::new().state(makegood::RunState::Stuck).state(makegood::RunState::Paused);
    /// ```
    #[must_use]
    pub fn state(mut self, state: RunState) -> Self {
        self.states.push(state);
        self
    }

    /// Only runs with an open incident of this class.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// let odd = Selection::new().class("amount_mismatch");
    /// ```
    #[must_use]
    pub fn class(self, class: impl Into<String>) -> Self {
        Self { class: Some(class.into()), ..self }
    }

    /// Only runs whose open incident has this fingerprint.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// /// Every run that met the same as this one.
    /// fn alike(incident: &makegood::inspect::OpenIncident) -> Selection {
    ///     Selection::new().fingerprint(&incident.fingerprint)
    /// }
    /// ```
    #[must_use]
    pub fn fingerprint(self, fingerprint: impl Into<String>) -> Self {
        Self { fingerprint: Some(fingerprint.into()), ..self }
    }

    /// Only runs that were started at this time or later.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// let today = Selection::new().started_from("2026-05-01T00:00:00Z".parse().unwrap());
    /// ```
    #[must_use]
    pub fn started_from(self, at: DateTime<Utc>) -> Self {
        Self { started_from: Some(at), ..self }
    }

    /// Only runs that were started before this time.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// let old = Selection::new().started_before("2026-05-01T00:00:00Z".parse().unwrap());
    /// ```
    #[must_use]
    pub fn started_before(self, at: DateTime<Utc>) -> Self {
        Self { started_before: Some(at), ..self }
    }

    /// Only runs that were started with this attribute, and with those named before.
    ///
    /// ```
    /// let of_a_customer = makegood::bulk::Selection::new().attribute("customer", "81");
    /// ```
    #[must_use]
    pub fn attribute(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { attributes: self.attributes.with(name, value), ..self }
    }

    /// Only these runs.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// let these = Selection::new().ids([uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2)]);
    /// ```
    #[must_use]
    pub fn ids(self, ids: impl IntoIterator<Item = Uuid>) -> Self {
        Self { ids: ids.into_iter().collect(), ..self }
    }

    /// Whether nothing narrows it.
    ///
    /// ```
    /// use makegood::bulk::Selection;
    ///
    /// assert!(!Selection::new().class("poison").is_everything());
    /// ```
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn filter(&self, verb: VerbKind) -> Filter<'_> {
        Filter {
            workflow: self.workflow.as_deref(),
            states: self.states.iter().map(|state| state.as_str()).collect(),
            class: self.class.as_deref(),
            fingerprint: self.fingerprint.as_deref(),
            started_from: self.started_from,
            started_before: self.started_before,
            ids: &self.ids,
            attributes: self.attributes.json(),
            // Who names ended runs is told that they have ended.
            ended_too: verb == VerbKind::Fork || !self.states.is_empty() || !self.ids.is_empty(),
            limit: LIMIT,
        }
    }
}
