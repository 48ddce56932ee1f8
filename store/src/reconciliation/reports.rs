//! Reports of comparisons and their findings. A report is open while its comparison runs.

use chrono::{DateTime, Utc};
use domain::{FindingOutcome, ReportKind, ReportOutcome};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Conn, Result, row};

/// How a comparison began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is the only one of its kind; it is to look at what happened since then.
    Open {
        /// The start of the time that it looks at.
        since: DateTime<Utc>,
        /// Whether that is the whole time in which money may come late.
        is_deep: bool,
    },
    /// Another one is under way.
    Busy,
}

/// A comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// The run that made it.
    pub report_id: Uuid,
    /// What was compared.
    pub kind: ReportKind,
    /// The start of the time that it looked at.
    pub looked_since: DateTime<Utc>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it has.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<ReportOutcome>,
    /// How many payments or lines were compared.
    pub asked: i64,
    /// How many did not agree.
    pub found: i64,
    /// How many of those were put right, or handed to the saga that puts them right.
    pub fixed: i64,
    /// How many are left for a person.
    pub flagged: i64,
}

/// Something that did not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What is wrong, in a word, such as `capture_not_known`.
    pub kind: String,
    /// With what: a payment, an order, a hold.
    pub subject: String,
    /// Whether it was put right.
    pub outcome: FindingOutcome,
    /// A sentence for people.
    pub detail: String,
}

/// How far back a report looks now and then, and how long after the last time.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// So far back, in seconds.
    pub back_secs: i64,
    /// When no report has done that for so long, in seconds; 0 is always.
    pub every_secs: i64,
}

/// How far back reports look.
#[derive(Clone, Copy, Debug)]
pub struct Reaches {
    /// The whole time in which money may come.
    pub deep: Reach,
    /// A part of it, more often.
    pub wide: Reach,
}

/// Opens a report, unless one of its kind is open. One that has been open for an hour is given up:
/// its run was ended by a person.
///
/// It looks at what happened since an hour before the last one began; further back where no report
/// has done that for as long as a reach says.
pub async fn begin(
    conn: &mut Conn,
    report_id: Uuid,
    kind: ReportKind,
    Reaches { deep, wide }: Reaches,
) -> Result<Begun> {
    sqlx::query(
        "update reconcile_reports
         set ended_at = now(), outcome = 'ABANDONED'
         where kind = $1 and ended_at is null and started_at < now() - interval '1 hour'",
    )
    .bind(kind.as_str())
    .execute(&mut *conn)
    .await?;
    let times = sqlx::query(
        "select now() - $2 * interval '1 second' as deep,
                now() - $4 * interval '1 second' as wide,
                max(started_at) - interval '1 hour' as shallow,
                coalesce(bool_or(
                  looked_since <= started_at - ($2 - 1) * interval '1 second'
                  and started_at > now() - $3 * interval '1 second'), false) as was_deep,
                coalesce(bool_or(
                  looked_since <= started_at - ($4 - 1) * interval '1 second'
                  and started_at > now() - $5 * interval '1 second'), false) as was_wide
         from reconcile_reports
         where kind = $1 and outcome = 'DONE'",
    )
    .bind(kind.as_str())
    .bind(deep.back_secs)
    .bind(deep.every_secs)
    .bind(wide.back_secs)
    .bind(wide.every_secs)
    .fetch_one(&mut *conn)
    .await?;
    let deep: DateTime<Utc> = row::get(&times, "deep")?;
    let wide: DateTime<Utc> = row::get(&times, "wide")?;
    let shallow: Option<DateTime<Utc>> = row::get(&times, "shallow")?;
    let (was_deep, was_wide) = (row::get(&times, "was_deep")?, row::get(&times, "was_wide")?);
    let since = match shallow {
        Some(since) if was_deep => if was_wide { since } else { since.min(wide) }.max(deep),
        _ => deep,
    };
    let opened = sqlx::query(
        "insert into reconcile_reports (report_id, kind, looked_since)
         values ($1, $2, $3)
         on conflict do nothing",
    )
    .bind(report_id)
    .bind(kind.as_str())
    .bind(since)
    .execute(conn)
    .await?;
    Ok(if opened.rows_affected() == 1 {
        Begun::Open { since, is_deep: since == deep }
    } else {
        Begun::Busy
    })
}

/// Adds findings to a report; a repeat of one changes nothing.
pub async fn add_findings(conn: &mut Conn, report_id: Uuid, findings: &[Finding]) -> Result<()> {
    for finding in findings {
        sqlx::query(
            "insert into reconcile_findings (report_id, kind, subject, outcome, detail)
             values ($1, $2, $3, $4, $5)
             on conflict (report_id, kind, subject) do nothing",
        )
        .bind(report_id)
        .bind(&finding.kind)
        .bind(&finding.subject)
        .bind(finding.outcome.as_str())
        .bind(&finding.detail)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Closes a report, with its findings counted.
pub async fn end(conn: &mut Conn, report_id: Uuid, asked: i64) -> Result<Report> {
    let ended = sqlx::query(
        "update reconcile_reports r
         set ended_at = now(), outcome = 'DONE', asked = $2, found = f.found, fixed = f.fixed,
             flagged = f.found - f.fixed
         from (
           select count(*) as found, count(*) filter (where outcome = 'FIXED') as fixed
           from reconcile_findings
           where report_id = $1
         ) f
         where r.report_id = $1
         returning r.*",
    )
    .bind(report_id)
    .bind(asked)
    .fetch_one(conn)
    .await?;
    read(&ended)
}

/// The latest reports, the newest first.
pub async fn reports(conn: &mut Conn, limit: i64) -> Result<Vec<Report>> {
    let rows = sqlx::query("select * from reconcile_reports order by started_at desc limit $1")
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(read).collect()
}

/// A report.
pub async fn report(conn: &mut Conn, report_id: Uuid) -> Result<Option<Report>> {
    let found = sqlx::query("select * from reconcile_reports where report_id = $1")
        .bind(report_id)
        .fetch_optional(conn)
        .await?;
    found.as_ref().map(read).transpose()
}

/// What a report found, what is flagged first.
pub async fn findings(conn: &mut Conn, report_id: Uuid) -> Result<Vec<Finding>> {
    let rows = sqlx::query(
        "select kind, subject, outcome, detail
         from reconcile_findings
         where report_id = $1
         order by outcome desc, kind, subject",
    )
    .bind(report_id)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|found| {
            Ok(Finding {
                kind: row::get(found, "kind")?,
                subject: row::get(found, "subject")?,
                outcome: row::word(found, "outcome")?,
                detail: row::get(found, "detail")?,
            })
        })
        .collect()
}

fn read(row: &PgRow) -> Result<Report> {
    Ok(Report {
        report_id: row::get(row, "report_id")?,
        kind: row::word(row, "kind")?,
        looked_since: row::get(row, "looked_since")?,
        started_at: row::get(row, "started_at")?,
        ended_at: row::get(row, "ended_at")?,
        outcome: row::maybe_word(row, "outcome")?,
        asked: row::get(row, "asked")?,
        found: row::get(row, "found")?,
        fixed: row::get(row, "fixed")?,
        flagged: row::get(row, "flagged")?,
    })
}
