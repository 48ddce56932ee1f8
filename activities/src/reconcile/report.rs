//! The report of a comparison: opened, added to and closed. While one is open, no other begins.

use chrono::{DateTime, Utc};
use domain::ReportKind;
use makegood::{Activity, ActivityResult, InTransaction};
use serde::{Deserialize, Serialize};
use store::Conn;
use store::reconciliation::{self, Begun, Finding, Reach, Reaches};
use uuid::Uuid;

/// For how long money may come late, in days: three by most of the gateway's pages, five by one.
const LATE_MONEY_SECS: i64 = 5 * 86_400;

/// Most late money belongs to payments that began within a day: those are looked at hourly.
const WIDE: Reach = Reach { back_secs: 86_400, every_secs: 3_600 };

/// A report to open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opening {
    /// The report, which has the id of its run.
    pub report_id: Uuid,
    /// What is compared.
    pub kind: ReportKind,
    /// How old the last look at the whole time of late money may be before another is due.
    pub deep_every_secs: u32,
}

/// How a report was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// It is ours to fill.
    Open {
        /// The start of the time to look at.
        since: DateTime<Utc>,
        /// Whether that is the whole time of late money.
        is_deep: bool,
    },
    /// Another one of the kind is open.
    Busy,
}

/// Opens a report, unless another one of its kind is open.
pub struct OpenReport;

impl Activity for OpenReport {
    const NAME: &'static str = "open_report";
    type Kind = InTransaction;
    type Input = Opening;
    type Output = Opened;

    async fn run(&self, tx: &mut Conn, opening: Opening) -> ActivityResult<Opened> {
        let every_secs = i64::from(opening.deep_every_secs);
        let deep = Reach { back_secs: LATE_MONEY_SECS, every_secs };
        let reaches = Reaches { deep, wide: WIDE };
        let begun = reconciliation::begin(tx, opening.report_id, opening.kind, reaches);
        Ok(match begun.await? {
            Begun::Open { since, is_deep } => Opened::Open { since, is_deep },
            Begun::Busy => Opened::Busy,
        })
    }
}

/// Findings for a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Findings {
    /// The report.
    pub report_id: Uuid,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Adds findings to a report.
pub struct RecordFindings;

impl Activity for RecordFindings {
    const NAME: &'static str = "record_findings";
    type Kind = InTransaction;
    type Input = Findings;
    type Output = usize;

    async fn run(&self, tx: &mut Conn, given: Findings) -> ActivityResult<usize> {
        reconciliation::add_findings(tx, given.report_id, &given.findings).await?;
        Ok(given.findings.len())
    }
}

/// A report to close.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Closed {
    /// The report.
    pub report_id: Uuid,
    /// How many payments or lines were compared.
    pub asked: usize,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many payments or lines were compared.
    pub asked: i64,
    /// How many did not agree.
    pub found: i64,
    /// How many of those were put right, or handed to the saga that puts them right.
    pub fixed: i64,
    /// How many are left for a person.
    pub flagged: i64,
    /// Whether nothing was done, since another comparison was under way.
    pub was_busy: bool,
}

/// Closes a report, its findings counted.
pub struct CloseReport;

impl Activity for CloseReport {
    const NAME: &'static str = "close_report";
    type Kind = InTransaction;
    type Input = Closed;
    type Output = Tally;

    async fn run(&self, tx: &mut Conn, closed: Closed) -> ActivityResult<Tally> {
        let asked = i64::try_from(closed.asked).unwrap_or(i64::MAX);
        let report = reconciliation::end(tx, closed.report_id, asked).await?;
        Ok(Tally {
            asked: report.asked,
            found: report.found,
            fixed: report.fixed,
            flagged: report.flagged,
            was_busy: false,
        })
    }
}
