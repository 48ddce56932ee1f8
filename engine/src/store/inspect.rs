//! Reads for people and for gauges. Changes nothing.

mod actions;
mod archive;
mod around;
mod audit;
mod bulk;
mod bulks;
mod candidates;
mod detail;
mod holdings;
mod incidents;
mod list;
mod listed;
mod load;
mod marks;
mod pages;
mod record;
mod runs;
mod settings;
mod status;
mod wanted;

pub use crate::journal::RowKind;
pub use crate::life::Mover;
pub use actions::{ActionOnRun, WantedActions, actions_on_runs};
pub use archive::{ArchivedRun, archived};
pub use around::{
    IncidentView, Published, Relative, SignalView, incidents, published, relatives, signals,
};
pub use audit::{Fault, faults, invariants};
pub(crate) use bulk::bulk_sample;
pub use bulk::{BulkItem, BulkView, OperatorAction, actions, bulk, bulk_items, bulk_states};
pub use bulks::{Aftermath, abandoned_bulks, aftermath, bulks};
pub use detail::{FailedTries, Next, RunDetail, detail, pulse, runs_of, tide};
pub use holdings::{Holding, holdings, unmoved};
pub use incidents::{IncidentGroup, PastIncident, incident_group, incident_groups, past_incidents};
pub use list::list;
pub use listed::{ListedRun, RunPage};
pub use load::{
    Backlog, PACE_MINUTES, PACE_RUNS, Pace, TIMER_LIMIT, WorkerView, WorkflowLoad, backlogs, loads,
    paces, states, workers,
};
pub use marks::{Marks, marks, pulses};
pub use pages::{payloads, published_behind, steps_from};
pub use record::{RecordRow, RecordedStep, record, step};
pub use runs::{OpenIncident, RunSummary, StepView, counts, named, open_incident, run, steps};
pub use settings::{SettingAction, actions_on_settings, setting_actions};
pub use status::{
    COUNT_LIMIT, LIVE_STATES, Status, carrying_commits, held_by_process, live_workers, status,
};
