//! What operations are asked and answer with. The command line reads the same, here or over HTTP.

use makegood::bulk::{Preview, Selection};
use makegood::inspect::{
    self, BulkItem, BulkView, OpenIncident, OperatorAction, PastIncident, RunDetail, RunPage,
    RunSummary, StepView,
};
use makegood::{
    Carried, Client, Error, Operator, Refusal, RunFilter, StuckAt, Term, Verb, VerbKind, What,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// The most children that are told.
const CHILDREN: usize = 100;

/// The most runs of each kind that are told of a bulk action.
const TOLD: i64 = 100;

/// How many groups of incidents are told.
pub const GROUPS: i64 = 1_000;

/// How many resolved incidents of a group are told.
const PAST: i64 = 10;

/// How many actions of operators on a schedule are told.
pub const ACTIONS: i64 = 20;

/// One run: how it stands, its record, and what may be done to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct WholeRun {
    /// How it stands.
    pub detail: RunDetail,
    /// Its record.
    pub steps: Vec<StepView>,
    /// What it is stuck with.
    pub incident: Option<OpenIncident>,
    /// What operators did to it.
    pub actions: Vec<OperatorAction>,
    /// The runs that it started, the first hundred.
    pub children: Vec<RunSummary>,
    /// Each verb, and why it does not apply if it does not; none of an archived run.
    pub remedies: Vec<(VerbKind, Option<Refusal>)>,
    /// At which step it is stuck.
    pub stuck_at: Option<StuckAt>,
}

/// How far a run is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Progressed {
    /// How it stands.
    pub detail: RunDetail,
    /// Its record.
    pub steps: Vec<StepView>,
    /// What it is stuck with.
    pub incident: Option<OpenIncident>,
}

/// The runs of a group of incidents, and how earlier ones were resolved.
#[derive(Debug, Serialize, Deserialize)]
pub struct GroupRuns {
    /// Those with an open one, a page of them.
    pub page: RunPage,
    /// Those resolved last.
    pub past: Vec<PastIncident>,
}

/// A verb, as it is asked for; to foresee what it would do it needs no reason.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask {
    /// What is to be done.
    pub what: Verb,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A change of a queue or a schedule, as it is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct SettingAsk {
    /// What is to be changed.
    pub what: makegood::Setting,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A verb for many runs, as it is asked for; to look which those are it needs no reason.
#[derive(Debug, Serialize, Deserialize)]
pub struct BulkAsk {
    /// What is to be done to each.
    pub what: Verb,
    /// Which runs.
    pub selection: Selection,
    /// How many runs a second, 1 to 1,000.
    pub per_second: u32,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Why something is to stop.
#[derive(Debug, Serialize, Deserialize)]
pub struct StopAsk {
    /// Why.
    pub reason: String,
}

/// A bulk action that is frozen, and not begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct Frozen {
    /// Its id.
    pub bulk_id: Uuid,
    /// Which runs it is for.
    pub preview: Preview,
}

/// How far a bulk action is.
#[derive(Debug, Serialize, Deserialize)]
pub struct BulkShown {
    /// It itself.
    pub bulk: BulkView,
    /// The runs on which it was not carried out, the first hundred of each kind.
    pub not_done: Vec<BulkItem>,
    /// How its runs stand now: how many in each state.
    pub states_now: Vec<(String, i64)>,
}

/// What came of a verb.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Acted {
    /// How far it has come.
    pub carried: Carried,
    /// The run that goes on from a fork.
    pub forked: Option<Uuid>,
}

/// All of a run; `None` when there is none of this id.
///
/// # Errors
/// The database does not answer.
pub async fn whole_run(
    conn: &mut PgConnection,
    client: &Client,
    run_id: Uuid,
) -> Result<Option<WholeRun>, Error> {
    let Some(Progressed { detail, steps, incident }) = progressed(&mut *conn, run_id).await? else {
        return Ok(None);
    };
    let actions = inspect::actions(&mut *conn, run_id).await?;
    let ids: Vec<_> = steps.iter().filter_map(child).take(CHILDREN).collect();
    let children = inspect::runs_of(conn, &ids).await?;
    let (remedies, stuck_at) = match client.remedies(run_id).await {
        Ok(remedies) => (remedies, client.operator("nobody", "a look")?.stuck_at(run_id).await?),
        // In the archive nothing is done to it any more.
        Err(Error::RunNotFound(_)) => (Vec::new(), None),
        Err(error) => return Err(error),
    };
    Ok(Some(WholeRun { detail, steps, incident, actions, children, remedies, stuck_at }))
}

/// How far a run is; `None` when there is none of this id.
///
/// # Errors
/// The database does not answer.
pub async fn progressed(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<Progressed>, sqlx::Error> {
    // The state before the record: a run that is seen to have ended is told whole.
    let Some(detail) = inspect::detail(&mut *conn, run_id).await? else { return Ok(None) };
    let steps = inspect::steps(&mut *conn, run_id).await?;
    let incident = inspect::open_incident(conn, run_id).await?;
    Ok(Some(Progressed { detail, steps, incident }))
}

/// The child that a row of the record started.
fn child(step: &StepView) -> Option<Uuid> {
    let starts = matches!(step.kind.as_str(), "started" | "restarted");
    let started = step.result.as_ref().filter(|_| starts)?;
    started.get("run_id").and_then(Value::as_str)?.parse().ok()
}

/// The runs of a group of incidents, `limit` at most, and how earlier ones were resolved.
///
/// # Errors
/// The database does not answer.
pub async fn group_runs(
    conn: &mut PgConnection,
    fingerprint: &str,
    limit: u32,
) -> Result<GroupRuns, sqlx::Error> {
    let of_group = Term::is(What::Fingerprint(fingerprint.to_owned()));
    let filter = RunFilter { limit, ..RunFilter::default() }.with(of_group);
    let page = inspect::list(&mut *conn, &filter).await?;
    let past = inspect::past_incidents(conn, fingerprint, PAST).await?;
    Ok(GroupRuns { page, past })
}

/// Carries a verb out, whichever it is.
///
/// # Errors
/// Those of the verb.
pub async fn carry_out(hand: &Operator, run_id: Uuid, verb: &Verb) -> Result<Acted, Error> {
    if let Verb::Fork { cut, workflow_id } = verb {
        let forked = hand.fork(run_id, cut, workflow_id).await?;
        return Ok(Acted { carried: Carried::Done, forked: Some(forked) });
    }
    let carried = hand.carry_out(run_id, verb).await?;
    Ok(Acted { carried, forked: None })
}

/// How far a bulk action is; `None` when there is none of this id.
///
/// # Errors
/// The database does not answer.
pub async fn bulk_shown(
    conn: &mut PgConnection,
    bulk_id: Uuid,
) -> Result<Option<BulkShown>, sqlx::Error> {
    let Some(bulk) = inspect::bulk(&mut *conn, bulk_id).await? else { return Ok(None) };
    let mut not_done = Vec::new();
    for outcome in ["refused", "changed", "failed"] {
        not_done.extend(inspect::bulk_items(&mut *conn, bulk_id, Some(outcome), TOLD).await?);
    }
    let states_now = inspect::bulk_states(conn, bulk_id).await?;
    Ok(Some(BulkShown { bulk, not_done, states_now }))
}
