//! What is found after all has ended: records, effects, messages. It judges nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::world::{Place, Told, world};

/// All that is found of all cases.
#[derive(Clone, Default)]
pub struct Facts {
    pub runs: HashMap<Uuid, Run>,
    /// Runs by workflow and workflow id.
    pub ids: HashMap<(String, String), Uuid>,
    /// Children by parent.
    pub children: HashMap<Uuid, Vec<Uuid>>,
    pub records: HashMap<Uuid, Vec<Row>>,
    /// What steps noted in the database: `+`, `-`, and how a made-good run was closed.
    pub effects: HashMap<Place, Vec<String>>,
    pub bookings: BTreeMap<Place, Vec<String>>,
    pub undone: BTreeSet<Place>,
    pub published: HashMap<Uuid, BTreeMap<String, Value>>,
    pub incidents: HashMap<Uuid, Vec<String>>,
    pub signals: HashMap<Uuid, Vec<Letter>>,
    pub told: HashMap<String, Vec<Told>>,
    pub wrongs: HashMap<String, Vec<String>>,
}

#[derive(Debug, Clone)]
pub struct Run {
    pub workflow: String,
    pub workflow_id: String,
    pub parent: Option<Uuid>,
    pub state: String,
    pub output: Option<Value>,
    pub cause: Option<Value>,
    pub started_at: DateTime<Utc>,
    pub input: Value,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub kind: String,
    pub name: String,
    pub occurrence: i32,
    pub result: Option<Value>,
    pub undo: Option<String>,
    pub pivot: bool,
    pub next: Vec<Intent>,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Intent {
    pub name: String,
    pub occurrence: i32,
    pub undo: Option<String>,
    #[serde(default)]
    pub pivot: bool,
}

/// A stored signal.
#[derive(Debug, Clone)]
pub struct Letter {
    pub id: String,
    pub kind: String,
}

impl Row {
    /// Whether from here on the run is made good because somebody asked for it.
    pub fn is_cancel(&self) -> bool {
        let cause = self.result.as_ref().map(|result| &result["cause"]);
        self.kind == "compensating" && cause.is_some_and(|cause| cause == "cancelled")
    }
}

impl Facts {
    /// Gathers everything.
    pub async fn gather(pool: &PgPool) -> Self {
        let mut facts = Self::default();
        let runs = "select r.run_id, r.workflow, r.workflow_id, r.parent_run_id, r.input, r.output,
                      r.cause, r.started_at, coalesce(r.ended_state, k.state, 'nowhere') as state
                    from runs r left join tasks k on k.run_id = r.run_id";
        for row in sqlx::query(runs).fetch_all(pool).await.unwrap() {
            let json = |name: &str| row.get::<Option<Json<Value>>, _>(name).map(|json| json.0);
            let run = Run {
                workflow: row.get("workflow"),
                workflow_id: row.get("workflow_id"),
                parent: row.get("parent_run_id"),
                state: row.get("state"),
                output: json("output"),
                cause: json("cause"),
                started_at: row.get("started_at"),
                input: json("input").unwrap_or_default(),
            };
            let run_id = row.get("run_id");
            facts.ids.insert((run.workflow.clone(), run.workflow_id.clone()), run_id);
            if let Some(parent) = run.parent {
                facts.children.entry(parent).or_default().push(run_id);
            }
            facts.runs.insert(run_id, run);
        }
        facts.read_records(pool).await;
        facts.read_messages(pool).await;
        let effects = "select script, op, what from effects order by effect_id";
        for row in sqlx::query(effects).fetch_all(pool).await.unwrap() {
            let op: i32 = row.get("op");
            let place = (row.get("script"), u32::try_from(op).unwrap());
            facts.effects.entry(place).or_default().push(row.get("what"));
        }
        (facts.bookings, facts.undone) = (world().bookings(), world().undone());
        for told in world().told() {
            let (Told::Signal { case, .. } | Told::Cancel { case, .. }) = &told;
            facts.told.entry(case.clone()).or_default().push(told);
        }
        for (case, wrong) in world().wrongs.lock().unwrap().iter() {
            facts.wrongs.entry(case.clone()).or_default().push(wrong.clone());
        }
        facts
    }

    async fn read_records(&mut self, pool: &PgPool) {
        let steps = "select run_id, kind, name, occurrence, result, undo, pivot, next, at
                     from steps order by run_id, seq";
        for row in sqlx::query(steps).fetch_all(pool).await.unwrap() {
            let next = row.get::<Option<Json<Vec<Intent>>>, _>("next");
            let found = Row {
                kind: row.get("kind"),
                name: row.get("name"),
                occurrence: row.get("occurrence"),
                result: row.get::<Option<Json<Value>>, _>("result").map(|json| json.0),
                undo: row.get("undo"),
                pivot: row.get("pivot"),
                next: next.map(|json| json.0).unwrap_or_default(),
                at: row.get("at"),
            };
            self.records.entry(row.get("run_id")).or_default().push(found);
        }
    }

    async fn read_messages(&mut self, pool: &PgPool) {
        let published = "select run_id, key, value from published";
        for row in sqlx::query(published).fetch_all(pool).await.unwrap() {
            let Json(value) = row.get("value");
            self.published.entry(row.get("run_id")).or_default().insert(row.get("key"), value);
        }
        let incidents = "select run_id, class || ' of ' || coalesce(step, 'the program') as what
                         from incidents";
        for row in sqlx::query(incidents).fetch_all(pool).await.unwrap() {
            self.incidents.entry(row.get("run_id")).or_default().push(row.get("what"));
        }
        let signals = "select run_id, signal_id, kind from signals order by received_at, signal_id";
        for row in sqlx::query(signals).fetch_all(pool).await.unwrap() {
            let letter = Letter { id: row.get("signal_id"), kind: row.get("kind") };
            self.signals.entry(row.get("run_id")).or_default().push(letter);
        }
    }

    /// A case's run, and what is found of it and its children alone.
    pub fn of(&self, case: &str) -> (Uuid, Self) {
        let run_id = self.run_of("script", case).unwrap();
        let branch = format!("{case}.");
        let is_its = |name: &str| name == case || name.starts_with(&branch);
        let is_late = |run: &Run| run.workflow_id.starts_with(&run_id.to_string());
        let is_its_run = |run: &Run| run.input["case"].as_str().is_some_and(is_its) || is_late(run);
        let mut its = Self::default();
        for (id, run) in self.runs.iter().filter(|(_, run)| is_its_run(run)) {
            its.ids.insert((run.workflow.clone(), run.workflow_id.clone()), *id);
            its.runs.insert(*id, run.clone());
            its.children.extend(self.children.get(id).map(|found| (*id, found.clone())));
            its.records.extend(self.records.get(id).map(|found| (*id, found.clone())));
            its.published.extend(self.published.get(id).map(|found| (*id, found.clone())));
            its.incidents.extend(self.incidents.get(id).map(|found| (*id, found.clone())));
            its.signals.extend(self.signals.get(id).map(|found| (*id, found.clone())));
        }
        let effects = self.effects.iter().filter(|(place, _)| is_its(&place.0));
        its.effects = effects.map(|(place, found)| (place.clone(), found.clone())).collect();
        let bookings = self.bookings.iter().filter(|(place, _)| is_its(&place.0));
        its.bookings = bookings.map(|(place, found)| (place.clone(), found.clone())).collect();
        its.undone = self.undone.iter().filter(|place| is_its(&place.0)).cloned().collect();
        its.told.extend(self.told.get(case).map(|found| (case.to_owned(), found.clone())));
        (run_id, its)
    }

    /// The run of a workflow id.
    pub fn run_of(&self, workflow: &str, workflow_id: &str) -> Option<Uuid> {
        self.ids.get(&(workflow.to_owned(), workflow_id.to_owned())).copied()
    }
}
