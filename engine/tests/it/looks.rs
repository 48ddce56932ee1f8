//! Looks at one run: what a person is shown of it while it lives, when it has ended, and from the
//! archive.

use makegood::inspect::{self, Next, RecordedStep};
use makegood::{Cut, Delivery};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::retention::archive;
use crate::support::{TestCell, forgetful};
use crate::trades::{Fault, Parcel, Plan, Signed, Steps4, Trip, Waiting, registry, world};

/// The row of this kind and name, whole.
async fn row(conn: &mut PgConnection, run: Uuid, kind: &str, name: &str) -> RecordedStep {
    let rows = inspect::record(&mut *conn, run).await.unwrap();
    let row = rows.iter().find(|row| row.kind == kind && row.name == name);
    let seq = row.unwrap_or_else(|| panic!("{kind} {name} in {rows:?}")).seq;
    inspect::step(conn, run, seq).await.unwrap().unwrap()
}

/// All that can be seen of a run, but the time of the look and the archive's.
async fn seen(conn: &mut PgConnection, run: Uuid) -> serde_json::Value {
    let mut detail = inspect::detail(&mut *conn, run).await.unwrap().unwrap();
    assert!(detail.read_at > detail.started_at, "the look has a time");
    (detail.read_at, detail.archived_at) = (detail.started_at, None);
    (detail.live_workers, detail.claims) = (0, 0);
    let rows = inspect::record(&mut *conn, run).await.unwrap();
    let mut steps = Vec::new();
    for seq in 0..detail.rows {
        steps.push(inspect::step(&mut *conn, run, seq).await.unwrap().unwrap());
    }
    serde_json::json!({
        "detail": detail, "next": detail.next(), "record": rows, "steps": steps,
        "signals": inspect::signals(&mut *conn, run, 10, 10_000).await.unwrap(),
        "relatives": inspect::relatives(&mut *conn, run, 10).await.unwrap(),
        "incidents": inspect::incidents(&mut *conn, run, 10).await.unwrap(),
        "actions": inspect::actions(&mut *conn, run).await.unwrap(),
    })
}

#[tokio::test]
async fn a_run_looks_the_same_from_the_archive() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let plan = Plan::rejecting("hotel");
    world().fail_early(&plan, "book flight", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>(&plan.trip, &plan).await;
    cell.incident(run).await;
    cell.client.retry(run, "ada", "the world is well again").await.unwrap();
    assert_eq!(cell.ended::<Trip>(run).await.state, "COMPENSATED");
    worker.drain().await.unwrap();

    let mut conn = cell.pool.acquire().await.unwrap();
    let booked = row(&mut conn, run, "done", "book").await;
    let key = booked.idempotency_key().unwrap();
    assert_eq!(key, format!("{run}:book:0"));
    assert!(booked.input.is_some() && booked.intended_at.unwrap() <= booked.row.at);
    let undone = row(&mut conn, run, "undone", "book").await;
    assert_eq!(undone.idempotency_key(), Some(format!("{key}:undo")));
    let refused = row(&mut conn, run, "rejected", "book").await;
    assert!(refused.row.code.is_some(), "the refusal's code is in the short row: {refused:?}");
    let turned = row(&mut conn, run, "compensating", "").await;
    assert!(turned.row.cause.is_some() && turned.idempotency_key().is_none());
    let [incident] = &inspect::incidents(&mut conn, run, 10).await.unwrap()[..] else { panic!() };
    let resolved = (incident.resolution.as_deref(), incident.resolved_by.as_deref());
    assert_eq!(resolved, (Some("retry"), Some("ada")), "who mended it, and how");

    let before = seen(&mut conn, run).await;
    archive(&cell).await;
    let mut after = seen(&mut conn, run).await;
    // An archive says nothing of the times at which values were shown: this run shows none.
    assert_eq!(after["detail"].take(), before["detail"], "how it stands");
    for part in ["next", "record", "steps", "signals", "relatives", "incidents", "actions"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    assert_eq!(inspect::step(&mut conn, run, 99).await.unwrap().map(|step| step.row), None);
    let nobody = Uuid::now_v7();
    assert!(inspect::detail(&mut conn, nobody).await.unwrap().is_none());
    assert_eq!(inspect::pulse(&mut conn, nobody).await.unwrap(), None);
}

#[tokio::test]
async fn what_happens_next_follows_the_run() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let waiting = Waiting { plan: plan.clone(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let next = inspect::detail(&mut conn, run).await.unwrap().unwrap().next();
    assert!(matches!(next, Next::Due { .. }), "{next}");
    cell.execute("update tasks set due_at = now() - interval '1 minute'").await;
    let next = inspect::detail(&mut conn, run).await.unwrap().unwrap().next();
    assert!(next.to_string().contains("no worker is alive"), "{next}");

    let worker = cell.worker().await;
    cell.waits().await;
    let next = inspect::detail(&mut conn, run).await.unwrap().unwrap().next();
    let Next::Waits { what, until } = &next else { panic!("{next}") };
    assert_eq!(what, &["signed#0"]);
    let deadline = "select (waits ->> 'signed#0')::timestamptz = due_at from tasks";
    assert!(cell.scalar::<bool>(deadline).await && Some(*until) == next.at());

    let pulse = inspect::pulse(&mut conn, run).await.unwrap();
    assert_eq!(inspect::pulse(&mut conn, run).await.unwrap(), pulse, "it stands still");
    cell.client.operator("ada", "wait").unwrap().pause(run).await.unwrap();
    let paused = inspect::pulse(&mut conn, run).await.unwrap();
    assert_ne!(paused, pulse, "an operator moved it");
    let next = inspect::detail(&mut conn, run).await.unwrap().unwrap().next();
    assert_eq!(next, Next::Resume);
    cell.signal::<Parcel>("p1", &Signed { by: "Ada".to_owned() }).await;
    assert_ne!(inspect::pulse(&mut conn, run).await.unwrap(), paused, "it got mail");
    let [signal] = &inspect::signals(&mut conn, run, 10, 10_000).await.unwrap()[..] else {
        panic!()
    };
    assert_eq!((signal.kind.as_str(), signal.taken_seq), ("signed", None), "it is not taken yet");

    cell.client.operator("ada", "go on").unwrap().resume(run).await.unwrap();
    cell.ended::<Parcel>(run).await;
    let signals = inspect::signals(&mut conn, run, 10, 10_000).await.unwrap();
    let taken = signals.iter().find(|signal| signal.kind == "signed").unwrap();
    let taken = row_at(&mut conn, run, taken.taken_seq.unwrap()).await;
    assert_eq!((taken.row.kind.as_str(), taken.row.name.as_str()), ("signal", "signed"));
    let short = inspect::signals(&mut conn, run, 10, 3).await.unwrap();
    assert!(short.iter().all(|signal| signal.payload.is_none() && signal.payload_bytes > 3));
    let next = inspect::detail(&mut conn, run).await.unwrap().unwrap().next();
    assert_eq!(next.to_string(), "Nothing: it has reached its goal.");

    let mut tx = cell.pool.begin().await.unwrap();
    let late = Signed { by: "Bob".to_owned() };
    let sent = cell.client.signal::<Parcel, _>(&mut tx, "p1", "s2", &late).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(sent, Delivery::Late);
    let signals = inspect::signals(&mut conn, run, 10, 10_000).await.unwrap();
    let handler = signals[0].handled_by.unwrap();
    let handler = inspect::detail(&mut conn, handler).await.unwrap().unwrap();
    assert_eq!(handler.workflow, "returns", "who takes the late signal is named");
    worker.drain().await.unwrap();
}

async fn row_at(conn: &mut PgConnection, run: Uuid, seq: i32) -> RecordedStep {
    inspect::step(conn, run, seq).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_steps_of_a_fork_say_which_run_made_them() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let run = cell.start::<Steps4>("s1", &plan).await;
    cell.ended::<Steps4>(run).await;
    let ada = cell.client.operator("ada", "once more").unwrap();
    let fork = ada.fork(run, &Cut::Step("book#2".parse().unwrap()), "s2").await.unwrap();
    cell.ended::<Steps4>(fork).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let rows = inspect::record(&mut conn, fork).await.unwrap();
    let mut keys = Vec::new();
    for row in rows.iter().filter(|row| row.kind == "done") {
        let step = row_at(&mut conn, fork, row.seq).await;
        assert_eq!(step.made_by == run, row.occurrence < 2, "before the cut: {row:?}");
        keys.push(step.idempotency_key().unwrap());
    }
    let known: Vec<String> = world().booked(&plan.trip).into_iter().map(|(_, key)| key).collect();
    assert!(keys.iter().all(|key| known.contains(key)), "{keys:?} of {known:?}");
    let [relative] = &inspect::relatives(&mut conn, run, 10).await.unwrap()[..] else { panic!() };
    assert_eq!((relative.relation.as_str(), relative.run_id), ("fork", fork));
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn ten_thousand_rows_are_read_without_their_values() {
    let cell = TestCell::new().await;
    let run = cell.start::<Steps4>("s1", &Plan::new()).await;
    cell.execute(&format!(
        "insert into steps (run_id, seq, kind, name, occurrence, input, result, next, at)
         select '{run}', s, 'done', 'book', s, to_jsonb(repeat('x', 1000)),
           to_jsonb(repeat('y', 1000)), jsonb_build_array(jsonb_build_object('name', 'book',
             'occurrence', s + 1, 'input', repeat('z', 1000))), now()
         from generate_series(0, 9999) s"
    ))
    .await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let rows = inspect::record(&mut conn, run).await.unwrap();
    assert_eq!(rows.len(), 10_000);
    assert_eq!(
        (&rows[7].intended[..], &rows[7].intended_occurrences[..]),
        (&["book".to_owned()][..], &[8][..])
    );
    let words = serde_json::to_string(&rows).unwrap();
    assert!(!words.contains("xxx") && !words.contains("yyy") && !words.contains("zzz"));
    let step = row_at(&mut conn, run, 5_000).await;
    assert_eq!(step.intended_seq, Some(4_999), "the intent of a step is found among them");
}

#[tokio::test]
async fn a_long_record_is_read_in_handy_parts_that_make_the_whole() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let run = cell.start::<Steps4>("long", &Plan::new()).await;
    cell.ended::<Steps4>(run).await;
    worker.drain().await.unwrap();
    cell.execute(
        "insert into steps (run_id, seq, kind, name, occurrence, input, at)
         select r.run_id, 100 + s, 'done', 'more', s, to_jsonb(repeat('x', 200000)), now()
         from runs r, generate_series(1, 200) s",
    )
    .await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let whole = inspect::steps(&mut conn, run).await.unwrap();
    let in_parts = async |conn: &mut PgConnection| {
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let part = inspect::steps_from(&mut *conn, run, from).await.unwrap();
            let Some(last) = part.last() else { return all };
            from = last.seq + 1;
            let bytes: usize = part.iter().map(|s| serde_json::to_string(s).unwrap().len()).sum();
            assert!(bytes < 3_000_000, "a part of {bytes} bytes in {} rows", part.len());
            all.extend(part);
        }
    };
    let parts = in_parts(&mut conn).await;
    assert_eq!(serde_json::json!(parts), serde_json::json!(whole), "live");
    archive(&cell).await;
    let parts = in_parts(&mut conn).await;
    assert_eq!(serde_json::json!(parts), serde_json::json!(whole), "archived");
}

#[tokio::test]
async fn a_part_of_an_id_is_looked_for_among_the_newest_runs_alone() {
    let cell = TestCell::new().await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("shop:81:1", &waiting).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let found = inspect::run(&mut conn, "81").await.unwrap().map(|found| found.run_id);
    assert_eq!(found, Some(run), "it is among the newest");
    cell.execute(
        "insert into runs (run_id, workflow, workflow_id, input, ended_state, ended_at)
         select ('ffffffff-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'w', 'other ' || n,
           '{}', 'COMPLETED', now()
         from generate_series(1, 10000) n",
    )
    .await;
    assert!(inspect::run(&mut conn, "81").await.unwrap().is_none(), "others are not passed over");
    let found = inspect::run(&mut conn, "shop:81:1").await.unwrap();
    assert_eq!(found.map(|found| found.run_id), Some(run), "its whole id finds it at any age");
}
