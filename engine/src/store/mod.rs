//! All SQL of the engine, one file per table. It decides nothing.
//!
//! Every statement keeps the cell rules: names without a schema, INSERT only as the top statement
//! and with a table of the cell in its FROM (or as VALUES), no clock in a set-based INSERT, sets of
//! ids by `= any($n)`. A test reads them all. Statements that lock several rows of `tasks` lock
//! them in the order of their ids first: an UPDATE's own order follows its plan.

pub(crate) mod archive;
pub(crate) mod bulk;
pub(crate) mod chores;
pub(crate) mod firings;
pub(crate) mod histories;
pub(crate) mod incidents;
pub mod inspect;
pub(crate) mod kin;
pub(crate) mod lanes;
pub(crate) mod mail;
pub(crate) mod migrated;
pub(crate) mod operator_actions;
pub(crate) mod published;
pub(crate) mod queues;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod setting_actions;
pub(crate) mod signals;
pub(crate) mod steps;
pub(crate) mod tasks;
#[cfg(feature = "testkit")]
pub(crate) mod testkit;
pub(crate) mod together;
pub(crate) mod whole;
pub(crate) mod workers;

/// A duration as the `bigint` that statements multiply with a millisecond.
fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
