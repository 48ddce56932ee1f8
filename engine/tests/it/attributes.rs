//! Attributes: runs are found by what they were started with, wherever they are kept.

use std::time::Duration;

use makegood::bulk::Selection;
use makegood::{
    Cut, Error, Retention, RunFilter, RunState, Shown, StartOptions, Term, Verb, What,
    WorkerConfig, inspect,
};
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Plan, Trip, registry};

async fn start(cell: &TestCell, id: &str, options: &StartOptions) -> Result<Uuid, Error> {
    let mut tx = cell.pool.begin().await.unwrap();
    let started = cell.client.start_with::<Trip>(&mut tx, id, &Plan::new(), options).await;
    tx.commit().await.unwrap();
    started.map(|started| started.run_id)
}

fn of(customer: &str, shop: &str) -> StartOptions {
    StartOptions::new().attribute("customer", customer).attribute("shop", shop)
}

/// The ids of the runs with these attributes, sorted.
async fn found(
    cell: &TestCell,
    state: Option<RunState>,
    attributes: &[(&str, &str)],
) -> Vec<String> {
    let mut conn = cell.pool.acquire().await.unwrap();
    let mut filter: RunFilter = "workflow=trip".parse().unwrap();
    if let Some(state) = state {
        filter = filter.with(Term::is(What::State(Shown::Is(state))));
    }
    for (name, value) in attributes {
        filter = filter.with(Term::is(What::Attribute(name.to_string(), value.to_string())));
    }
    let page = inspect::list(&mut conn, &filter).await.unwrap();
    let mut ids: Vec<String> = page.runs.into_iter().map(|run| run.workflow_id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn runs_are_found_by_their_attributes_live_ended_and_archived() {
    let cell = TestCell::new().await;
    for (id, customer, shop) in [("a", "81", "books"), ("b", "81", "toys"), ("c", "9", "books")] {
        start(&cell, id, &of(customer, shop)).await.unwrap();
    }
    start(&cell, "d", &StartOptions::new()).await.unwrap();
    let (customer, both) = ([("customer", "81")], [("customer", "81"), ("shop", "toys")]);
    let nobody = [("customer", "8")];

    let retention = Retention {
        archive_after: Some(Duration::ZERO),
        pause: Duration::from_millis(5),
        every: Duration::from_millis(20),
        ..Retention::default()
    };
    let live = found(&cell, Some(RunState::Running), &customer).await;
    assert_eq!(live, ["a", "b"], "of two that live");
    let worker = cell.worker_with(registry(), WorkerConfig { retention, ..forgetful() }).await;
    let archived = "select count(*) = 4 from archived_runs";
    cell.until("all are archived", archived).await;
    worker.drain().await.unwrap();

    for (attributes, wanted) in [
        (customer.as_slice(), ["a", "b"].as_slice()),
        (&both, &["b"]),
        (&nobody, &[]),
        (&[], &["a", "b", "c", "d"]),
    ] {
        assert_eq!(found(&cell, None, attributes).await, wanted, "of {attributes:?}");
    }
    let mut conn = cell.pool.acquire().await.unwrap();
    let shown = inspect::run(&mut conn, "b").await.unwrap().unwrap().attributes;
    assert_eq!(shown, Some(serde_json::json!({"customer": "81", "shop": "toys"})));
    cell.audited().await;
}

#[tokio::test]
async fn operators_act_on_the_runs_with_an_attribute_and_a_fork_keeps_them() {
    let cell = TestCell::new().await;
    let mine = start(&cell, "mine", &of("81", "books")).await.unwrap();
    let other = start(&cell, "other", &of("9", "books")).await.unwrap();
    let selection = Selection::new().attribute("customer", "81").attribute("shop", "books");
    let operator = cell.client.operator("ada", "asked for by the customer").unwrap();
    let (bulk, preview) = operator.bulk(Verb::Terminate, selection).freeze().await.unwrap();
    assert_eq!(preview.total, 1, "of two runs of one shop, the customer's");
    assert!(preview.sample[0].attributes.is_some(), "which people see");
    cell.client.bulk_run(bulk, |_| {}).await.unwrap();
    assert_eq!(
        (cell.state(mine).await, cell.state(other).await),
        ("CLOSED".into(), "RUNNING".into())
    );

    operator.fork(mine, &Cut::Row(0), "mine again").await.unwrap();
    let customer = [("customer", "81")];
    assert_eq!(found(&cell, Some(RunState::Running), &customer).await, ["mine again"]);
    cell.audited().await;
}

#[tokio::test]
async fn attributes_out_of_range_are_refused_with_a_reason_and_start_nothing() {
    let cell = TestCell::new().await;
    let many = (0..17).fold(StartOptions::new(), |o, n| o.attribute(format!("a{n}"), "x"));
    let one = |name: &str, value: &str| StartOptions::new().attribute(name, value);
    let long = "x".repeat(201);
    for options in [many, one("", "x"), one("a", &long), one(&long, "a"), one("a", "\0")] {
        let refused = start(&cell, "refused", &options).await;
        assert!(matches!(refused, Err(Error::Attribute(_))), "{refused:?}");
    }
    assert_eq!(cell.scalar::<i64>("select count(*) from runs").await, 0, "nothing is started");
    start(&cell, "short", &one("a", &"x".repeat(200))).await.unwrap();
}

#[tokio::test]
async fn runs_among_many_are_found_by_an_index() {
    let cell = TestCell::new().await;
    cell.execute(
        "insert into runs (run_id, workflow, workflow_id, input, ended_state, ended_at, attributes)
         select gen_random_uuid(), 'trip', i::text, '1', 'CLOSED', now(),
           jsonb_build_object('customer', i::text)
         from generate_series(1, 20000) i",
    )
    .await;
    cell.execute("analyze runs").await;
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select run_id from run_states where ('{\"customer\": \"81\"}'::jsonb is null
           or attributes @> '{\"customer\": \"81\"}')",
    )
    .fetch_all(&cell.pool)
    .await
    .unwrap();
    assert!(plan.iter().any(|line| line.contains("runs_by_attribute")), "{plan:#?}");
}
