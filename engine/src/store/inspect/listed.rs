//! What a list of runs is made of. Reads nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::RunSummary;

/// A run in a list.
///
/// ```
/// use makegood::inspect::ListedRun;
///
/// fn words(run: &ListedRun) -> String {
///     match &run.message {
///         Some(message) => format!("{} needs a person: {message}", run.workflow_id),
///         None => format!("{} is {}", run.workflow_id, run.state),
///     }
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedRun {
    /// The run's id.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
    /// The version that it was started with.
    pub version: i32,
    /// One of the eight run states.
    pub state: String,
    /// Whether a step of it failed, and is to be tried again.
    pub retrying: bool,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// When something of it was recorded last.
    pub progress_at: DateTime<Utc>,
    /// When it is looked at next.
    pub due_at: Option<DateTime<Utc>>,
    /// The step of its open incident.
    pub step: Option<String>,
    /// The class of its open incident.
    pub class: Option<String>,
    /// The group of its open incident.
    pub fingerprint: Option<String>,
    /// What its open incident says.
    pub message: Option<String>,
    /// Why it was made good, if it was.
    pub cause: Option<Value>,
    /// The attributes that it was started with, as an object.
    pub attributes: Option<Value>,
    /// Whether it has left the tables of live runs.
    pub archived: bool,
}

impl From<ListedRun> for RunSummary {
    fn from(run: ListedRun) -> Self {
        Self {
            run_id: run.run_id,
            workflow: run.workflow,
            workflow_id: run.workflow_id,
            state: run.state,
            started_at: run.started_at,
            ended_at: run.ended_at,
            due_at: run.due_at,
            incident: run.class,
            attributes: run.attributes,
        }
    }
}

/// A page of a list.
///
/// ```
/// use makegood::inspect::RunPage;
///
/// /// Whether there is nothing more to be found.
/// fn is_whole(page: &RunPage) -> bool {
///     page.next.is_none()
/// }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunPage {
    /// The runs, in the order that was asked for.
    pub runs: Vec<ListedRun>,
    /// The run behind which the list goes on; `None` at its end.
    pub next: Option<Uuid>,
    /// How many runs were looked through, when the search was cut short before the page was full.
    pub searched: Option<i64>,
}
