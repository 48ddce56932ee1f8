//! The parts of a run's page below the timeline: one at a time, chosen by a link.

use askama::Template;
use makegood::inspect::{
    self, IncidentView, OperatorAction, Published, RecordRow, Relative, RunDetail, SignalView,
};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::json::Json;
use super::{Asked, words};
use crate::console::badge::Badge;
use crate::console::icons::Icon;
use crate::console::moment::{Moment, number, span};
use crate::console::page::PageError;
use crate::console::who::Operator;

/// Rows of the record on one page.
const PAGE: usize = 200;
/// Signals, relatives and incidents on one page.
const LIMIT: i64 = 100;
/// The most bytes of one signal's payload on the page.
const PAYLOAD: i32 = 16_384;

/// One part of the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tab {
    #[default]
    Record,
    Signals,
    Family,
    Shown,
    Incidents,
    Actions,
    Json,
}

impl Tab {
    pub(super) const ALL: [Self; 7] = [
        Self::Record,
        Self::Signals,
        Self::Family,
        Self::Shown,
        Self::Incidents,
        Self::Actions,
        Self::Json,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Signals => "signals",
            Self::Family => "family",
            Self::Shown => "shown",
            Self::Incidents => "incidents",
            Self::Actions => "actions",
            Self::Json => "json",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Record => "Record",
            Self::Signals => "Signals",
            Self::Family => "Children and forks",
            Self::Shown => "Published",
            Self::Incidents => "Incidents",
            Self::Actions => "Operator actions",
            Self::Json => "JSON",
        }
    }
}

/// What a part needs besides the run and its record.
pub(super) enum Extra {
    None,
    Signals(Vec<SignalView>),
    Family(Vec<Relative>),
    Shown(Vec<Published>),
    Incidents(Vec<IncidentView>),
    Actions(Vec<OperatorAction>),
}

/// Reads what the part needs.
pub(super) async fn load(
    conn: &mut PgConnection,
    run: &RunDetail,
    tab: Tab,
) -> Result<Extra, sqlx::Error> {
    let id = run.run_id;
    Ok(match tab {
        Tab::Record | Tab::Json => Extra::None,
        Tab::Signals => Extra::Signals(inspect::signals(conn, id, LIMIT, PAYLOAD).await?),
        Tab::Family => Extra::Family(inspect::relatives(conn, id, LIMIT).await?),
        Tab::Shown => Extra::Shown(inspect::published(conn, id).await?),
        Tab::Incidents => Extra::Incidents(inspect::incidents(conn, id, LIMIT).await?),
        Tab::Actions => Extra::Actions(inspect::actions(conn, id).await?),
    })
}

/// Draws the part.
pub(super) fn body(
    run: &RunDetail,
    rows: &[RecordRow],
    extra: Extra,
    asked: &Asked,
    who: &Operator,
) -> Result<String, PageError> {
    let now = run.read_at;
    let drawn = match extra {
        Extra::None if asked.tab == Tab::Json => values(run, who).render(),
        Extra::None => RecordPart::new(run, rows, asked).render(),
        Extra::Signals(all) => {
            let full = is_full(all.len());
            let sent = |(at, signal)| Sent::new(at, signal, run, who);
            let all = all.into_iter().enumerate().map(sent).collect();
            SignalsPart { run_id: run.run_id, all, full }.render()
        }
        Extra::Family(all) => {
            let full = is_full(all.len());
            let all = all.into_iter().map(|kin| Kin::new(kin, run)).collect();
            FamilyPart { run_id: run.run_id, all, full }.render()
        }
        Extra::Shown(all) => {
            let shown = |(at, published): (usize, Published)| {
                let id = format!("shown-{at}");
                let json = Json::new(id, "Value", &published.value, who);
                Shown { key: published.key, json, at: published.at.map(|at| Moment::new(at, now)) }
            };
            ShownPart { all: all.into_iter().enumerate().map(shown).collect() }.render()
        }
        Extra::Incidents(all) => {
            IncidentsPart { all: all.into_iter().map(|i| Past::new(i, run)).collect() }.render()
        }
        Extra::Actions(all) => {
            let action = |(at, action)| Acted::new(at, action, run, who);
            ActionsPart { all: all.into_iter().enumerate().map(action).collect() }.render()
        }
    };
    drawn.map_err(PageError::internal)
}

fn is_full(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= LIMIT)
}

#[derive(Template)]
#[template(path = "console/run/record.html")]
struct RecordPart {
    run_id: Uuid,
    rows: Vec<Row>,
    total: String,
    only_odd: bool,
    before: Option<i32>,
    after: Option<i32>,
}

struct Row {
    seq: i32,
    name: String,
    said: &'static str,
    code: Option<String>,
    tries: i32,
    at: Moment,
    since: String,
    odd: bool,
}

impl RecordPart {
    fn new(run: &RunDetail, rows: &[RecordRow], asked: &Asked) -> Self {
        let only_odd = asked.only_odd();
        let listed: Vec<_> = rows.iter().filter(|row| !only_odd || is_odd(row)).collect();
        let first = listed.partition_point(|row| row.seq < asked.from);
        let shown = |row: &&RecordRow| Row {
            seq: row.seq,
            name: words::call(&row.name, row.occurrence),
            said: words::said(&row.kind),
            code: row.code.clone(),
            tries: row.attempts,
            at: Moment::new(row.at, run.read_at),
            since: span(row.at - run.started_at),
            odd: is_odd(row),
        };
        let before = first.checked_sub(PAGE).or((first > 0).then_some(0));
        Self {
            run_id: run.run_id,
            rows: listed.iter().skip(first).take(PAGE).map(shown).collect(),
            total: words::count(i64::try_from(listed.len()).unwrap_or(i64::MAX), "row"),
            only_odd,
            before: before.and_then(|at| listed.get(at)).map(|row| row.seq),
            after: listed.get(first + PAGE).map(|row| row.seq),
        }
    }
}

/// Whether a row is one of those that are looked for when something went wrong.
fn is_odd(row: &RecordRow) -> bool {
    use inspect::RowKind as K;

    let kind = K::read(&row.kind);
    let of_trouble = kind.is_some_and(|kind| {
        kind.is_an_operators() || matches!(kind, K::Rejected | K::Refused | K::Compensating)
    });
    row.attempts > 1 || of_trouble
}

#[derive(Template)]
#[template(path = "console/run/signals.html")]
struct SignalsPart {
    run_id: Uuid,
    all: Vec<Sent>,
    full: bool,
}

struct Sent {
    id: String,
    kind: String,
    order: bool,
    badge: Badge,
    taken_seq: Option<i32>,
    handled_by: Option<Uuid>,
    at: Moment,
    json: Json,
}

impl Sent {
    fn new(at: usize, signal: SignalView, run: &RunDetail, who: &Operator) -> Self {
        let late = run.ended_at.is_some_and(|end| signal.received_at >= end);
        let badge = match (signal.taken_seq, late, run.ended_at) {
            (Some(_), ..) => Badge::new("good", Icon::Check, "Taken"),
            (None, true, _) => Badge::new("warn", Icon::Clock, "Late"),
            (None, false, Some(_)) => Badge::new("wait", Icon::Cross, "Not taken"),
            (None, false, None) => Badge::new("busy", Icon::Clock, "Waits to be taken"),
        };
        let json_id = format!("signal-{at}");
        let bytes = usize::try_from(signal.payload_bytes).unwrap_or_default();
        let json = match &signal.payload {
            Some(payload) => Json::new(json_id, "Payload", payload, who),
            None => Json::missing(json_id, "Payload", bytes),
        };
        Self {
            order: signal.kind.starts_with('$'),
            at: Moment::new(signal.received_at, run.read_at),
            id: signal.signal_id,
            kind: signal.kind,
            badge,
            taken_seq: signal.taken_seq,
            handled_by: signal.handled_by,
            json,
        }
    }
}

#[derive(Template)]
#[template(path = "console/run/family.html")]
struct FamilyPart {
    run_id: Uuid,
    all: Vec<Kin>,
    full: bool,
}

struct Kin {
    relation: String,
    seq: Option<i32>,
    run_id: Uuid,
    name: String,
    badge: Badge,
    incident: Option<String>,
    started: Moment,
}

impl Kin {
    fn new(kin: Relative, run: &RunDetail) -> Self {
        Self {
            relation: kin.relation,
            seq: kin.seq,
            run_id: kin.run_id,
            name: format!("{} {}", kin.workflow, kin.workflow_id),
            badge: Badge::state(&kin.state),
            incident: kin.incident.map(|class| class.replace('_', " ")),
            started: Moment::new(kin.started_at, run.read_at),
        }
    }
}

#[derive(Template)]
#[template(path = "console/run/shown.html")]
struct ShownPart {
    all: Vec<Shown>,
}

struct Shown {
    key: String,
    json: Json,
    at: Option<Moment>,
}

#[derive(Template)]
#[template(path = "console/run/incidents.html")]
struct IncidentsPart {
    all: Vec<Past>,
}

struct Past {
    class: String,
    place: String,
    message: String,
    fingerprint: String,
    opened: Moment,
    resolved: Option<(String, String, Moment)>,
}

impl Past {
    fn new(incident: IncidentView, run: &RunDetail) -> Self {
        let occurrence = incident.occurrence.unwrap_or_default();
        let step = incident.step.as_deref().map(|step| words::call(step, occurrence));
        let resolved = incident.resolved_at.map(|at| {
            let verb = incident.resolution.unwrap_or_default().replace('_', " ");
            let by = incident.resolved_by.unwrap_or_else(|| "the run itself".to_owned());
            (verb, by, Moment::new(at, run.read_at))
        });
        Self {
            class: incident.class.replace('_', " "),
            place: step.unwrap_or_default(),
            message: incident.message,
            fingerprint: incident.fingerprint,
            opened: Moment::new(incident.opened_at, run.read_at),
            resolved,
        }
    }
}

#[derive(Template)]
#[template(path = "console/run/actions.html")]
struct ActionsPart {
    all: Vec<Acted>,
}

struct Acted {
    verb: String,
    actor: String,
    reason: String,
    bulk_id: Option<Uuid>,
    at: Moment,
    before: Json,
    after: Json,
}

impl Acted {
    fn new(at: usize, action: OperatorAction, run: &RunDetail, who: &Operator) -> Self {
        Self {
            verb: action.verb.replace('_', " "),
            actor: action.actor,
            reason: action.reason,
            bulk_id: action.bulk_id,
            at: Moment::new(action.at, run.read_at),
            before: Json::new(format!("before-{at}"), "Before", &action.before, who),
            after: Json::new(format!("after-{at}"), "After", &action.after, who),
        }
    }
}

#[derive(Template)]
#[template(path = "console/run/values.html")]
struct ValuesPart {
    run_id: Uuid,
    all: Vec<Json>,
    rows: String,
}

fn values(run: &RunDetail, who: &Operator) -> ValuesPart {
    let json =
        |id, label, value: Option<&Value>| value.map(|value| Json::new(id, label, value, who));
    let all = [
        json("input", "Input", Some(&run.input)),
        json("output", "Output", run.output.as_ref()),
        json("cause", "Cause", run.cause.as_ref()),
        json("attributes", "Attributes", run.attributes.as_ref()),
    ];
    ValuesPart {
        run_id: run.run_id,
        all: all.into_iter().flatten().collect(),
        rows: number(i64::from(run.rows)),
    }
}
