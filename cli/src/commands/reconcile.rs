//! `makegood reconcile`: has a worker compare the books with the gateway now, or shows what
//! comparisons found. It compares nothing by itself: only workers speak to the gateway.

use std::time::Duration;

use chrono::{DateTime, Utc};
use makegood::{Client, Scheduled};
use serde::Serialize;
use sqlx::PgConnection;
use store::reconciliation::{self, Finding, Report};
use uuid::Uuid;
use workflows::{MatchPayouts, Reconcile, ReconcileRule};

use crate::args::{NowArgs, ReconcileArgs, ReconcileVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

/// A report with what it found.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    report: Report,
    findings: Vec<Finding>,
}

pub(crate) async fn run(args: &ReconcileArgs) -> Result<Exit, Problem> {
    let (settings, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&settings).await?;
    match &args.verb {
        None => now(&settings, &mut conn, &args.now).await,
        Some(ReconcileVerb::Reports { limit, output }) => {
            let reports = reconciliation::reports(&mut conn, *limit).await.map_err(refused)?;
            match output.output {
                Format::Json => output::json(&reports),
                Format::Table => list(&reports),
            }
            Ok(Exit::Done)
        }
        Some(ReconcileVerb::Show { report, output }) => {
            let whole = whole(&mut conn, *report).await?;
            show(&whole, output.output);
            Ok(Exit::Done)
        }
    }
}

async fn now(
    settings: &DatabaseSettings,
    conn: &mut PgConnection,
    args: &NowArgs,
) -> Result<Exit, Problem> {
    let database = connect::migrated(settings).await?;
    let client = Client::connect(&database).await.map_err(unstarted)?;
    let at: DateTime<Utc> = sqlx::query_scalar("select now()").fetch_one(&mut *conn).await?;
    let name = format!("by hand {}", Uuid::now_v7());
    let limit = Duration::from_secs(args.wait_secs.into());
    let (report, ended) = if args.payouts {
        let input = Scheduled { at, input: () };
        let started = client.start::<MatchPayouts>(conn, &name, &input).await.map_err(unstarted)?;
        client.wake();
        let ending = client.ending::<MatchPayouts>(started.run_id, limit);
        (started.run_id, ending.await.map_err(unstarted)?.map(|ending| ending.output))
    } else {
        // All of the time in which money may come late is looked at, and every invariant.
        let input = ReconcileRule { age_secs: args.age_secs, deep_every_secs: 0 };
        let input = Scheduled { at, input };
        let started = client.start::<Reconcile>(conn, &name, &input).await.map_err(unstarted)?;
        client.wake();
        let ending = client.ending::<Reconcile>(started.run_id, limit);
        (started.run_id, ending.await.map_err(unstarted)?.map(|ending| ending.output))
    };
    let tally = match ended {
        Some(Some(tally)) => tally,
        Some(None) => {
            let next = format!("`makegood runs show {report}`");
            return Err(Problem::new("the comparison did not come to its end").next(next));
        }
        None => {
            let what = format!("no worker has done it within {} s", args.wait_secs);
            let next = format!("see that workers run, then `makegood reconcile show {report}`");
            return Err(Problem::new(what).next(next).exit(Exit::TimedOut));
        }
    };
    if tally.was_busy {
        return Err(Problem::new("another comparison is under way")
            .next("`makegood reconcile reports` shows it")
            .exit(Exit::Conflict));
    }
    let whole = whole(conn, report).await?;
    show(&whole, args.output.output);
    Ok(if tally.flagged == 0 { Exit::Done } else { Exit::Failed })
}

async fn whole(conn: &mut PgConnection, id: Uuid) -> Result<Whole, Problem> {
    let report = reconciliation::report(conn, id).await.map_err(refused)?;
    let Some(report) = report else {
        return Err(Problem::new(format!("there is no report {id}"))
            .next("`makegood reconcile reports` lists them")
            .exit(Exit::NotFound));
    };
    let findings = reconciliation::findings(conn, id).await.map_err(refused)?;
    Ok(Whole { report, findings })
}

fn show(whole: &Whole, format: Format) {
    let Whole { report, findings } = whole;
    match format {
        Format::Json => output::json(whole),
        Format::Table => {
            list(std::slice::from_ref(report));
            if !findings.is_empty() {
                let rows = findings.iter().map(|f| {
                    vec![f.outcome.to_string(), f.kind.clone(), f.subject.clone(), f.detail.clone()]
                });
                output::table(&["outcome", "what", "where", "detail"], rows);
            }
        }
    }
    output::say(&format!(
        "Compared: {}. Found: {}; put right or handed to its checkout: {}; for a person: {}.",
        report.asked, report.found, report.fixed, report.flagged
    ));
}

fn list(reports: &[Report]) {
    let rows = reports.iter().map(|report| {
        vec![
            report.report_id.to_string(),
            report.kind.to_string(),
            report.started_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            report.outcome.map_or_else(|| "under way".to_owned(), |outcome| outcome.to_string()),
            report.asked.to_string(),
            report.found.to_string(),
            report.fixed.to_string(),
            report.flagged.to_string(),
        ]
    });
    let columns = ["report", "kind", "began", "ended", "compared", "found", "fixed", "flagged"];
    output::table(&columns, rows);
}

fn refused(error: store::Error) -> Problem {
    match error {
        store::Error::Database(error) => error.into(),
        other => Problem::new("the reports cannot be read").because(other),
    }
}

fn unstarted(error: makegood::Error) -> Problem {
    Problem::new("the comparison cannot be started").because(error).next("run `makegood doctor`")
}
