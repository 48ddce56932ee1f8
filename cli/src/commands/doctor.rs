//! `makegood doctor`: looks at the surroundings and says what to do about each fault.
//! It changes nothing.

mod cell;
mod gateway;
mod server;

use serde::Serialize;

use crate::args::DoctorArgs;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::{DatabaseSettings, Profile};
use crate::{connect, logging};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the examination.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    next: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), next: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, next: Some(next.into()), ..Self::ok(check, found) }
    }

    fn fail(check: &'static str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, next: Some(next.into()), ..Self::ok(check, found) }
    }

    /// A fault that is fatal where real money moves, and a warning elsewhere.
    fn grave(
        check: &'static str,
        profile: Profile,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        match profile {
            Profile::Production => Self::fail(check, found, next),
            Profile::Development | Profile::Test => Self::warn(check, found, next),
        }
    }
}

pub(crate) async fn run(args: &DoctorArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let profile = surroundings.profile;
    let mut findings = examine(&database, profile).await;
    findings.push(gateway::examine(args, profile).await);
    match args.output.output {
        Format::Json => output::json(&findings),
        Format::Table => show(&findings),
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let (failed, warned) = (count(Verdict::Fail), count(Verdict::Warn));
    if failed > 0 {
        output::say(&format!("Faults: {failed}. Warnings: {warned}."));
        return Ok(Exit::Failed);
    }
    output::say(&format!("No fault. Warnings: {warned}."));
    Ok(Exit::Done)
}

async fn examine(database: &DatabaseSettings, profile: Profile) -> Vec<Finding> {
    let asked = std::time::Instant::now();
    let mut conn = match connect::connection(database).await {
        Ok(conn) => conn,
        Err(problem) => {
            let said = problem.to_string();
            let said = said.trim_start_matches("error: ");
            let next =
                "see what it says; nothing else about the database can be checked until then";
            return vec![Finding::fail("database", said, next)];
        }
    };
    let ms = asked.elapsed().as_millis();
    let mut findings = vec![Finding::ok("database", format!("{}, {ms} ms", database.place()))];
    findings.extend(server::examine(&mut conn, database, profile).await);
    findings.extend(cell::examine(&mut conn, database, profile).await);
    findings
}

fn show(findings: &[Finding]) {
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        output::data(&format!("{verdict:<5} {:<18} {}", finding.check, finding.found));
        if let Some(next) = &finding.next {
            output::data(&format!("      next: {next}"));
        }
    }
}
