//! The head of a run's page: its state in a word and a shape, why, since when, and its facts.

use chrono::{DateTime, Utc};
use makegood::Cause;
use makegood::inspect::{Next, OpenIncident, RecordRow, RunDetail};
use serde_json::Value;
use store::orders::Order;

use super::words;
use crate::console::badge::Badge;
use crate::console::icons::Icon;
use crate::console::moment::Moment;

/// What stands above the timeline.
pub(super) struct Head {
    pub(super) workflow: String,
    pub(super) workflow_id: String,
    pub(super) badge: Badge,
    /// Why it is in this state, if that is not its ordinary way.
    pub(super) why: Option<String>,
    pub(super) alarm: Icon,
    pub(super) since: Moment,
    pub(super) next: String,
    pub(super) next_at: Option<Moment>,
    pub(super) incident: Option<Need>,
    pub(super) facts: Vec<Fact>,
}

/// The open incident.
pub(super) struct Need {
    pub(super) class: String,
    pub(super) place: String,
    pub(super) message: String,
    pub(super) fingerprint: String,
    pub(super) since: Moment,
}

/// A name and a value, which may lead somewhere.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) href: Option<String>,
    pub(super) at: Option<Moment>,
}

impl Head {
    pub(super) fn new(
        run: &RunDetail,
        rows: &[RecordRow],
        incident: Option<&OpenIncident>,
        order: Option<&Order>,
    ) -> Self {
        let now = run.read_at;
        let next = run.next();
        let retrying =
            !run.tries.is_empty() && matches!(run.state.as_str(), "RUNNING" | "COMPENSATING");
        let state = if retrying && run.state == "RUNNING" { "RETRYING" } else { &run.state };
        let since = incident.map(|incident| incident.opened_at).or(run.ended_at);
        Self {
            workflow: run.workflow.clone(),
            workflow_id: run.workflow_id.clone(),
            badge: Badge::state(state),
            why: why(run, rows),
            alarm: Icon::Alert,
            since: Moment::new(since.or(run.recorded_at).unwrap_or(run.started_at), now),
            next: next.to_string(),
            next_at: next.at().map(|at| Moment::new(at, now)),
            incident: incident.map(|incident| need(incident, now)),
            facts: facts(run, order, &next),
        }
    }
}

/// The cause, as soon as it is on record.
fn why(run: &RunDetail, rows: &[RecordRow]) -> Option<String> {
    let live = matches!(run.state.as_str(), "COMPENSATING" | "STUCK" | "PAUSED");
    let last =
        rows.iter().rev().find(|row| matches!(row.kind.as_str(), "compensating" | "resumed"));
    let recorded = last.filter(|_| live).and_then(|row| row.cause.clone());
    let cause: Cause = serde_json::from_value(run.cause.clone().or(recorded)?).ok()?;
    let lead = if run.state == "CLOSED" { "Closed" } else { "Made good" };
    Some(format!("{lead}: {cause}"))
}

fn need(incident: &OpenIncident, now: DateTime<Utc>) -> Need {
    let occurrence = incident.occurrence.unwrap_or_default();
    let step = incident.step.as_deref().map(|step| words::call(step, occurrence));
    Need {
        class: incident.class.replace('_', " "),
        place: step.unwrap_or_else(|| "no step".to_owned()),
        message: incident.message.clone(),
        fingerprint: incident.fingerprint.clone(),
        since: Moment::new(incident.opened_at, now),
    }
}

fn facts(run: &RunDetail, order: Option<&Order>, next: &Next) -> Vec<Fact> {
    let now = run.read_at;
    let time = |name, at: Option<DateTime<Utc>>| {
        at.map(|at| Fact { at: Some(Moment::new(at, now)), ..Fact::new(name, "") })
    };
    let run_link = |name, id: Option<uuid::Uuid>| {
        id.map(|id| Fact::new(name, id.to_string()).to(format!("/console/runs/{id}")))
    };
    let mut facts = vec![Fact::new("Run", run.run_id.to_string())];
    facts.push(Fact::new("Workflow", format!("{}, version {}", run.workflow, run.version)));
    if let Some(order) = order {
        let words = format!("{}, {}, {}", order.order_number, order.status, order.total);
        let href = format!("/console/runs?attr.order={}", order.order_number);
        facts.push(Fact::new("Order", words).to(href));
        let tenant = order.tenant_id.to_string();
        facts
            .push(Fact::new("Tenant", tenant.clone()).to(format!("/console/runs?tenant={tenant}")));
    }
    let told = |name: &str| order.is_some() && matches!(name, "order" | "tenant");
    facts.extend(attributes(run.attributes.as_ref(), told));
    facts.extend(time("Started", Some(run.started_at)));
    facts.extend(time("Last recorded", run.recorded_at));
    facts.extend(time("Ended", run.ended_at));
    facts.extend(time("Archived", run.archived_at));
    if let (Some(at), true) = (run.due_at, run.worker.is_none()) {
        facts.extend(time("Looked at next", Some(next.at().unwrap_or(at))));
    }
    let failed: u32 = run.tries.values().map(|tries| tries.failed).sum();
    if failed > 0 {
        let calls: Vec<_> = run.tries.keys().map(|call| words::short(call)).collect();
        let words = format!("{failed} at {}", calls.join(", "));
        facts.push(Fact::new("Failed attempts", words));
    }
    if let Some(worker) = &run.worker {
        facts.push(Fact::new("Held by", worker.clone()).to("/console/workers".to_owned()));
    }
    if run.crashes > 0 {
        facts.push(Fact::new("Outlived", words::count(i64::from(run.crashes), "worker")));
    }
    if let Some(queue) = &run.queue {
        facts.push(Fact::new("Queue", queue.clone()).to("/console/queues".to_owned()));
    }
    facts.extend(
        run.share
            .clone()
            .filter(|share| !share.is_empty())
            .map(|share| Fact::new("Account", share)),
    );
    facts.extend(run_link("Child of", run.parent_run_id));
    facts.extend(run_link("Forked from", run.forked_from));
    facts
}

/// What its starter said it can be found by and is not told elsewhere; each leads to the others that
/// have it.
fn attributes(attributes: Option<&Value>, told: impl Fn(&str) -> bool) -> Vec<Fact> {
    let all = attributes.and_then(Value::as_object).into_iter().flatten();
    let all = all.filter(|(name, _)| !told(name));
    let fact = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let Ok(query) = askama::filters::urlencode_strict(&value);
        let href = format!("/console/runs?attr.{name}={query}");
        Fact::new("Attribute", format!("{name} {value}")).to(href)
    };
    all.map(fact).collect()
}

impl Fact {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into(), href: None, at: None }
    }

    fn to(mut self, href: String) -> Self {
        self.href = Some(href);
        self
    }
}
