//! Replays every live record against this binary before it is deployed. It calls no activity and
//! writes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::DateTime;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::action::{Action, AllTries, Hold};
use crate::children::CANCEL_CHILD;
use crate::clock::Clock;
use crate::config::{Database, WorkerConfig};
use crate::error::Error;
use crate::journal::Journal;
use crate::registry::{Registry, WorkflowCode};
use crate::run::{Claimed, Run, null};
use crate::store::histories::{self, History};

/// Runs read at once.
const PAGE: i64 = 200;

/// What a replay of all live records found.
///
/// ```
/// let found = makegood::ReplayCheck::default();
/// assert!(found.misfits.is_empty(), "deploy");
/// ```
#[derive(Debug, Default, Clone, serde::Serialize)]
pub struct ReplayCheck {
    /// Runs that were replayed and fit.
    pub fit: u64,
    /// Runs that are being made good: they unwind from their record, whatever the program says.
    pub unwinding: u64,
    /// Runs that this code could not carry on.
    pub misfits: Vec<Misfit>,
}

/// A run that this code could not carry on.
///
/// ```
/// use makegood::{Misfit, ReplayCheck};
///
/// fn ids(found: &ReplayCheck) -> Vec<&str> {
///     found.misfits.iter().map(|misfit: &Misfit| misfit.workflow_id.as_str()).collect()
/// }
/// ```
#[derive(Debug, Clone, serde::Serialize)]
pub struct Misfit {
    /// The run.
    pub run_id: Uuid,
    /// Its workflow.
    pub workflow: String,
    /// The id that its starter chose.
    pub workflow_id: String,
    /// The first difference between its record and the program.
    pub difference: String,
}

enum Fit {
    Fits,
    Unwinding,
    Not(String),
}

/// Replays the record of every live run with the code of `registry`, as a worker with it and this
/// configuration would when it claims them, and looks whether what may have to be undone can be.
/// Nothing is claimed, called or written; runs go on meanwhile.
///
/// `progress` is told how many runs were looked at.
///
/// ```no_run
/// # async fn example() -> Result<(), makegood::Error> {
/// # use makegood::{Database, Registry, WorkerConfig, replay_check};
/// let database = Database::new("postgres://localhost/shop", "makegood")?;
/// let config = WorkerConfig::default(); // what the workers have
/// let found = replay_check(&database, &Registry::new(), &config, |_| {}).await?;
/// for misfit in &found.misfits {
///     println!("{} {}: {}", misfit.workflow, misfit.workflow_id, misfit.difference);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database cannot be read.
pub async fn replay_check(
    database: &Database,
    registry: &Registry,
    config: &WorkerConfig,
    mut progress: impl FnMut(u64),
) -> Result<ReplayCheck, Error> {
    let pool = database.pool("makegood-replay-check", 1).await?;
    let mut conn = pool.acquire().await?;
    let (mut found, mut after, mut seen) = (ReplayCheck::default(), Uuid::nil(), 0_u64);
    loop {
        let page = histories::after(&mut conn, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.run_id;
        for history in page {
            match replay(registry, config, &history) {
                Fit::Fits => found.fit = found.fit.saturating_add(1),
                Fit::Unwinding => found.unwinding = found.unwinding.saturating_add(1),
                Fit::Not(difference) => {
                    let History { run_id, workflow, workflow_id, .. } = history;
                    found.misfits.push(Misfit { run_id, workflow, workflow_id, difference });
                }
            }
            seen = seen.saturating_add(1);
        }
        progress(seen);
    }
}

fn replay(registry: &Registry, config: &WorkerConfig, history: &History) -> Fit {
    let unknown = || {
        let History { workflow, version, .. } = history;
        Fit::Not(format!("no workflow {workflow} version {version} is registered"))
    };
    let Some(code) = registry.code_of(&history.workflow) else { return unknown() };
    let journal = history.record.read().and_then(|(rows, _)| Journal::fold(rows));
    let journal = match journal {
        Ok(journal) => journal,
        Err(error) => return Fit::Not(format!("its record cannot be read: {error}")),
    };
    if let Some(missing) = not_undone(registry, &code, &journal) {
        return Fit::Not(missing);
    }
    if journal.compensating.is_some() {
        return Fit::Unwinding;
    }
    if !code.versions.contains(&history.version) {
        return unknown();
    }
    let claimed = Claimed {
        hold: Hold { run_id: history.run_id, incarnation: Uuid::nil(), epoch: 0 },
        code,
        input: RawValue::from_string(history.input.clone()).unwrap_or_else(|_| null()),
        parent_run_id: None,
        journal,
        signals: Vec::new(),
        tries: AllTries::new(),
        deadlines: HashMap::new(),
        database_time: DateTime::UNIX_EPOCH,
        unfit: None,
        options: Arc::default(),
        place: None,
    };
    let mut run = Run::new(claimed, config, Clock::default());
    match run.next(registry) {
        Action::Stuck(incident) => Fit::Not(incident.message),
        Action::Call(_)
        | Action::Transact(_)
        | Action::Await(_)
        | Action::Park(_)
        | Action::End(_) => Fit::Fits,
    }
}

/// What could not be undone if the run were made good now; `None` when all can be, or nothing will.
fn not_undone(registry: &Registry, code: &WorkflowCode, journal: &Journal) -> Option<String> {
    if journal.pivoted {
        return None;
    }
    let known = |activity: &str| activity == CANCEL_CHILD || registry.kind_of(activity).is_some();
    let undoable = journal.undoables.iter().rev().find(|undoable| !known(&undoable.undo));
    let undoing =
        undoable.map(|u| format!("no activity {} is registered to undo {}", u.undo, u.name));
    let closing = code.closing.filter(|closing| !journal.closed && !known(closing));
    undoing.or_else(|| closing.map(|it| format!("no activity {it} is registered to close it")))
}
