//! Reads for people and for gauges. Changes nothing.

mod archive;
mod audit;
mod runs;
mod status;

pub use archive::{ArchivedRun, archived};
pub use audit::{Fault, faults, invariants};
pub use runs::{OpenIncident, RunSummary, StepView, counts, list, open_incident, run, steps};
pub use status::{
    COUNT_LIMIT, LIVE_STATES, Status, carrying_commits, held_by_process, live_workers, status,
};
