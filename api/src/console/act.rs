//! A verb on one run: what it will do, and why; then it is done, unless the run moved on meanwhile.

mod form;
mod plan;
mod words;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use makegood::inspect::{self, OperatorAction};
use makegood::{Carried, Foreseen, Operator as Hand, Verb, VerbKind};
use uuid::Uuid;

pub(crate) use self::form::Given;
use self::form::{Fault, Fields};
use self::plan::Plan;
pub(super) use self::words::is_final;
pub(crate) use self::words::rank_of;
use super::badge::Badge;
use super::icons::Icon;
use super::moment::Moment;
use super::page::{Frame, Here, Page, PageError, draw};
use super::record::{Record, require};
use super::run::finish;
use super::who::Operator;
use crate::app::{App, Shared};
use crate::observe;

/// Whoever only looks at a verb has no reason yet.
const LOOKED: &str = "looked at what it would do";

#[derive(Template)]
#[template(path = "console/act/page.html")]
struct ActPage {
    frame: Frame,
    run_id: Uuid,
    workflow_id: String,
    plan: Plan,
    fields: Fields,
    /// What is wrong with what was given.
    faults: Vec<Fault>,
    moved: Option<Moved>,
    /// The given values were tried, and would do.
    checked: bool,
}

/// What happened to the run between the page and the form.
struct Moved {
    was: Badge,
    now: Badge,
    by: Vec<Hands>,
}

/// What somebody else did to it meanwhile.
struct Hands {
    actor: String,
    verb: String,
    reason: String,
    at: Moment,
}

impl ActPage {
    fn fault(&self, field: &str) -> Option<&str> {
        self.faults.iter().find(|fault| fault.field == field).map(|fault| fault.words.as_str())
    }
}

/// What a page about a verb is made from.
struct Seen {
    workflow_id: String,
    foreseen: Foreseen,
    fields: Fields,
    /// What operators did since the form was shown.
    since: Vec<OperatorAction>,
}

/// `GET /console/runs/{id}/act/{verb}`
pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    Path((run_id, verb)): Path<(Uuid, String)>,
) -> Page {
    let kind = allowed(&app, &who, run_id, &verb).await?;
    let shared = Shared::clone(&app);
    let (name, given) = (who.name.clone(), Given::default());
    let seen = finish(&app, async move { look(&shared, &name, run_id, kind, given).await }).await?;
    page(who, run_id, kind, seen, Vec::new())
}

/// `POST /console/runs/{id}/act/{verb}`
pub(crate) async fn carry_out(
    who: Operator,
    State(app): State<Shared>,
    Path((run_id, verb)): Path<(Uuid, String)>,
    Form(given): Form<Given>,
) -> Page {
    let kind = allowed(&app, &who, run_id, &verb).await?;
    let faults = given.faults(kind);
    if given.only_checks() || !faults.is_empty() {
        let status =
            if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        return again(&app, who, run_id, kind, (given, faults, status)).await;
    }
    let verb = given.verb(kind).map_err(|fault| PageError::Invalid(fault.words))?;
    let (shared, name, sent) = (Shared::clone(&app), who.name.clone(), given.clone());
    let done = finish(&app, async move { act(&shared, &name, run_id, &verb, &sent).await });
    match done.await? {
        Ok((to, ordered)) => {
            let word = kind.as_str();
            let ordered = if ordered { "&ordered=true" } else { "" };
            let to = format!("/console/runs/{to}?did={word}{ordered}");
            Ok(Redirect::to(&to).into_response())
        }
        Err(Stopped::Fault(fault)) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            again(&app, who, run_id, kind, (given, vec![fault], status)).await
        }
        Err(Stopped::Refused) => {
            again(&app, who, run_id, kind, (given, Vec::new(), StatusCode::CONFLICT)).await
        }
    }
}

/// The verb, if there is one of this name and the rank suffices.
async fn allowed(
    app: &Shared,
    who: &Operator,
    run_id: Uuid,
    verb: &str,
) -> Result<VerbKind, PageError> {
    let kind = VerbKind::ALL.into_iter().find(|kind| kind.as_str() == verb);
    let kind = kind.ok_or_else(|| PageError::NotFound(format!("There is no verb {verb}.")))?;
    require(app, who, rank_of(kind), (kind.as_str(), &run_id.to_string())).await?;
    Ok(kind)
}

/// Why nothing was done.
enum Stopped {
    /// The run refuses it as it stands; that is written down.
    Refused,
    /// What was given is no good.
    Fault(Fault),
}

/// Does it, if the run stands as it did on the form; answers the run to go to, and whether
/// its worker has yet to do it.
async fn act(
    app: &App,
    name: &str,
    run_id: Uuid,
    verb: &Verb,
    given: &Given,
) -> Result<Result<(Uuid, bool), Stopped>, PageError> {
    let hand = hand(app, name, given.reason.trim())?.expecting(&given.version);
    let done = match verb {
        Verb::Fork { cut, workflow_id } => {
            hand.fork(run_id, cut, workflow_id).await.map(|fork| (fork, false))
        }
        other => {
            let carried = hand.carry_out(run_id, other).await;
            carried.map(|carried| (run_id, carried == Carried::Ordered))
        }
    };
    match done {
        Ok(to) => Ok(Ok(to)),
        Err(makegood::Error::Refused { refusal, .. }) => {
            let why = format!("{refusal}; {} (wanted because: {})", refusal.next(), given.reason);
            let mut conn = app.pool.acquire().await?;
            let record = Record::of(name, verb.kind().as_str(), &run_id.to_string());
            record.because(&why).refused().write(&mut conn).await?;
            Ok(Err(Stopped::Refused))
        }
        Err(makegood::Error::RunNotFound(run)) => Err(PageError::NotFound(format!(
            "There is no run {run} that could be acted on; perhaps it is archived."
        ))),
        Err(error @ (makegood::Error::TooLarge { .. } | makegood::Error::Json { .. })) => {
            let field = if verb.kind() == VerbKind::EditInput { "input" } else { "result" };
            Ok(Err(Stopped::Fault(Fault::of(field, format!("{error}.")))))
        }
        Err(error) => Err(error.into()),
    }
}

fn hand(app: &App, name: &str, reason: &str) -> Result<Hand, makegood::Error> {
    Ok(app.client.operator(name, reason)?.in_request(&observe::request_id()))
}

/// The form once more, with what was given, and the run as it stands now.
async fn again(
    app: &Shared,
    who: Operator,
    run_id: Uuid,
    kind: VerbKind,
    (given, faults, status): (Given, Vec<Fault>, StatusCode),
) -> Page {
    let (shared, name) = (Shared::clone(app), who.name.clone());
    let seen = finish(app, async move { look(&shared, &name, run_id, kind, given).await }).await?;
    Ok((status, page(who, run_id, kind, seen, faults)?).into_response())
}

/// The run, and what the verb would do to it with what was given, or with what suggests itself.
async fn look(
    app: &App,
    name: &str,
    run_id: Uuid,
    kind: VerbKind,
    given: Given,
) -> Result<Seen, PageError> {
    let hand = hand(app, name, LOOKED)?;
    let mut conn = app.pool.acquire().await?;
    let run = inspect::run(&mut conn, &run_id.to_string()).await?;
    let run = run.ok_or_else(|| PageError::NotFound(format!("There is no run {run_id}.")))?;
    let record = inspect::record(&mut conn, run_id).await?;
    let mut since = inspect::actions(&mut conn, run_id).await?;
    since.retain(|action| given.shown_at.is_some_and(|shown| action.at > shown));
    drop(conn);
    let stuck = match kind {
        VerbKind::SkipStep | VerbKind::EditInput => hand.stuck_at(run_id).await?,
        VerbKind::Retry
        | VerbKind::ResumeForward
        | VerbKind::Compensate
        | VerbKind::Cancel
        | VerbKind::Terminate
        | VerbKind::Pause
        | VerbKind::Resume
        | VerbKind::Close
        | VerbKind::Fork => None,
    };
    let mut fields = Fields::of(&given, kind, stuck, &record);
    let verb = given.verb(kind).unwrap_or_else(|_| fields.suggested(kind));
    let foreseen = match hand.foresee(run_id, &verb).await {
        Err(makegood::Error::RunNotFound(_)) => {
            return Err(PageError::NotFound(format!("Run {run_id} is archived; no verb applies.")));
        }
        // What was given cannot be tried; the form says why, beside what can.
        Err(makegood::Error::TooLarge { .. } | makegood::Error::Json { .. }) => {
            hand.foresee(run_id, &fields.suggested(kind)).await?
        }
        foreseen => foreseen?,
    };
    fields.stands(&foreseen);
    Ok(Seen { workflow_id: run.workflow_id, foreseen, fields, since })
}

fn page(who: Operator, run_id: Uuid, kind: VerbKind, seen: Seen, faults: Vec<Fault>) -> Page {
    let Seen { workflow_id, foreseen, fields, since } = seen;
    let (name, _) = super::run::words::verb(kind);
    let now = fields.shown_at;
    let moved = fields.moved().map(|(was, is)| Moved {
        was: Badge::state(was),
        now: Badge::state(is),
        by: since
            .into_iter()
            .map(|OperatorAction { actor, verb, reason, at, .. }| Hands {
                actor,
                verb,
                reason,
                at: Moment::new(at, now),
            })
            .collect(),
    });
    let checked = fields.checks && faults.is_empty() && foreseen.refusal.is_none();
    let plan = Plan::new(kind, foreseen);
    let frame = Frame::new(format!("{name}: {workflow_id}"), Here::Runs, who);
    draw(&ActPage { frame, run_id, workflow_id, plan, fields, faults, moved, checked })
}
