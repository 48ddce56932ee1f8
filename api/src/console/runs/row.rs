//! A run as a line of a list.

use chrono::{DateTime, Utc};
use makegood::inspect::ListedRun;
use makegood::{Cause, RunFilter, Term, What};
use serde::Deserialize;
use serde_json::Value;

use super::narrow::address;
use crate::console::badge::Badge;
use crate::console::icons::Icon;
use crate::console::moment::Moment;

/// Characters of an attribute's value that are shown.
const VALUE_LENGTH: usize = 20;

/// A line of a list of runs.
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) workflow: String,
    pub(crate) workflow_id: String,
    pub(crate) state: Badge,
    pub(crate) retrying: Option<Badge>,
    /// What it was started for: each leads to the runs that have it too.
    pub(crate) attributes: Vec<Attribute>,
    /// Why it is where it is, in a line.
    pub(crate) why: Option<String>,
    /// The incident's class and step.
    pub(crate) incident: Option<String>,
    pub(crate) progress: Moment,
    pub(crate) started: Moment,
    pub(crate) due: Option<Moment>,
}

pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) short: String,
    pub(crate) href: String,
}

impl Row {
    pub(crate) fn new(run: ListedRun, now: DateTime<Utc>) -> Self {
        let incident = run.class.map(|class| {
            let class = class.replace('_', " ");
            run.step.map_or(class.clone(), |step| format!("{class} at {step}"))
        });
        let retrying = run.retrying.then(|| Badge::new("warn", Icon::Retry, "Retrying"));
        Self {
            href: format!("/console/runs/{}", run.run_id),
            state: Badge::state(&run.state),
            retrying,
            attributes: attributes(run.attributes.as_ref()),
            why: run.message.or_else(|| run.cause.as_ref().map(cause)),
            incident,
            progress: Moment::new(run.progress_at, now),
            started: Moment::new(run.started_at, now),
            due: run.due_at.filter(|due| *due > now).map(|due| Moment::new(due, now)),
            workflow: run.workflow,
            workflow_id: run.workflow_id,
        }
    }
}

fn attributes(all: Option<&Value>) -> Vec<Attribute> {
    let pairs = all.and_then(Value::as_object).into_iter().flatten();
    let read = |(name, value): (&String, &Value)| {
        let value = value.as_str()?.to_owned();
        let term = Term::is(What::Attribute(name.clone(), value.clone()));
        let href = address(&RunFilter::default().with(term));
        // Half an address would not be known as one where it has to be hidden.
        let short = match value.char_indices().nth(VALUE_LENGTH) {
            Some((at, _)) if !value.contains('@') => format!("{}…", value.get(..at)?),
            Some(_) | None => value.clone(),
        };
        Some(Attribute { name: name.clone(), value, short, href })
    };
    pairs.filter_map(read).collect()
}

/// Why a run was made good, in words; as it was recorded, if a newer version recorded it.
fn cause(cause: &Value) -> String {
    Cause::deserialize(cause).map_or_else(|_| cause.to_string(), |cause| cause.to_string())
}
