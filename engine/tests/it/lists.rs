//! Lists: a filter finds the runs that it describes, a page at a time, and looks at no more than
//! it may.

use makegood::{RunFilter, RunState, StartOptions, inspect};

use crate::support::{TestCell, forgetful};
use crate::trades::{Parcel, Plan, Trip, Waiting, registry};
use crate::world::{Fault, world};

async fn found(cell: &TestCell, query: &str) -> Vec<String> {
    let mut conn = cell.pool.acquire().await.unwrap();
    let filter: RunFilter = query.parse().unwrap();
    let page = inspect::list(&mut conn, &filter).await.unwrap();
    page.runs.into_iter().map(|run| run.workflow_id).collect()
}

/// One run in each state that a list tells apart, in the order of their names; nobody drives them.
async fn one_of_each() -> TestCell {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 3_600_000 };
    let stuck = Plan::new();
    world().fail(&stuck, "note paid", &[Fault::Review]);

    let mut tx = cell.pool.begin().await.unwrap();
    let of = StartOptions::new().attribute("customer", "81").attribute("tenant", "books");
    cell.client.start_with::<Trip>(&mut tx, "a:done", &Plan::new(), &of).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    cell.start::<Trip>("b:undone", &Plan::rejecting("hotel")).await;
    let stuck = cell.start::<Trip>("c:stuck", &stuck).await;
    let paused = cell.start::<Parcel>("d:paused", &waiting).await;
    cell.incident(stuck).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    cell.client.operator("ada", "let it rest").unwrap().pause(paused).await.unwrap();
    cell.until("it rests", "select exists (select 1 from tasks where state = 'PAUSED')").await;
    cell.start::<Parcel>("e:waiting", &waiting).await;
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    cell.until("two ended", "select count(*) = 2 from runs where ended_at is not null").await;
    worker.drain().await.unwrap();
    cell.start::<Trip>("f:new", &Plan::new()).await;
    cell
}

#[tokio::test]
async fn every_term_finds_what_it_says_and_its_negation_the_rest() {
    let cell = one_of_each().await;
    let all = ["f:new", "e:waiting", "d:paused", "c:stuck", "b:undone", "a:done"];
    assert_eq!(found(&cell, "").await, all, "the newest first");
    for (term, wanted) in [
        ("state=STUCK", vec!["c:stuck"]),
        ("state=NEEDS_ATTENTION", vec!["d:paused", "c:stuck"]),
        ("state=WAITING", vec!["e:waiting"]),
        ("state=LIVE", vec!["f:new", "e:waiting", "d:paused", "c:stuck"]),
        ("state=ENDED", vec!["b:undone", "a:done"]),
        ("workflow=parcel", vec!["e:waiting", "d:paused"]),
        ("tenant=books", vec!["a:done"]),
        ("attr.customer=81", vec!["a:done"]),
        ("id=c:", vec!["c:stuck"]),
        ("class=odd", vec!["c:stuck"]),
        ("error=PERSON must", vec!["c:stuck"]),
        ("error=full", vec!["b:undone"]),
        ("since=1h", all.to_vec()),
        ("until=1h", vec![]),
        ("ended_since=1h", vec!["b:undone", "a:done"]),
        ("ended_until=1h", vec![]),
        ("quiet_for=0s", vec!["f:new", "e:waiting", "d:paused", "c:stuck"]),
        ("quiet_for=1h", vec![]),
    ] {
        assert_eq!(found(&cell, term).await, wanted, "{term}");
        let rest: Vec<&str> = all.into_iter().filter(|id| !wanted.contains(id)).collect();
        let negated = found(&cell, &format!("not.{term}")).await;
        assert_eq!(negated, rest, "not.{term}");
    }
}

#[tokio::test]
async fn terms_of_one_kind_widen_a_list_and_those_of_several_narrow_it() {
    let cell = one_of_each().await;
    assert_eq!(found(&cell, "state=STUCK&state=WAITING").await, ["e:waiting", "c:stuck"]);
    assert_eq!(found(&cell, "state=LIVE&workflow=trip&not.class=odd").await, ["f:new"]);
    assert_eq!(found(&cell, "state=LIVE&sort=started&limit=2").await, ["c:stuck", "d:paused"]);
    assert_eq!(found(&cell, "tenant=books&tenant=toys&attr.customer=81").await, ["a:done"]);
    assert_eq!(found(&cell, "tenant=books&attr.customer=9").await, [""; 0]);
}

#[tokio::test]
async fn pages_follow_each_other_in_either_order_without_gap_or_repetition() {
    let cell = TestCell::new().await;
    let names: Vec<String> = (0..25).map(|number| format!("t{number:02}")).collect();
    for name in &names {
        cell.start::<Trip>(name, &Plan::new()).await;
    }
    let mut conn = cell.pool.acquire().await.unwrap();
    for order in ["started", "-started"] {
        let mut filter: RunFilter = format!("sort={order}&limit=10&state=RUNNING").parse().unwrap();
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = inspect::list(&mut conn, &filter).await.unwrap();
            pages += 1;
            seen.extend(page.runs.into_iter().map(|run| run.workflow_id));
            let Some(next) = page.next else { break };
            filter = filter.behind(next);
        }
        if order == "-started" {
            seen.reverse();
        }
        assert_eq!((seen, pages), (names.clone(), 3), "sort={order}");
    }
}

/// Runs as only a table has them: written at once, and never driven.
async fn many(cell: &TestCell, count: i32) {
    sqlx::query(
        "insert into runs (run_id, workflow, workflow_id, input, lane)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'trip', 'r' || n,
           'null', 1
         from generate_series(1, $1) n",
    )
    .bind(count)
    .execute(&cell.pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into tasks (run_id, lane) select run_id, 1 from runs where workflow_id like 'r%'",
    )
    .execute(&cell.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_search_that_finds_little_stops_and_says_where() {
    let cell = TestCell::new().await;
    many(&cell, 12_000).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let filter: RunFilter = "id=r7".parse().unwrap();
    let narrow = inspect::list(&mut conn, &filter).await.unwrap();
    assert_eq!(narrow.runs.len(), 1, "its whole id is found at once");

    // All that begin with it, but none that is it.
    let filter: RunFilter = "id=r119&not.id=r1190&limit=500&sort=started".parse().unwrap();
    sqlx::query("update runs set workflow_id = 's119' where workflow_id = 'r119'")
        .execute(&cell.pool)
        .await
        .unwrap();
    let first = inspect::list(&mut conn, &filter).await.unwrap();
    assert_eq!((first.runs.len(), first.searched), (9, Some(10_000)), "a search has an end");
    let rest = inspect::list(&mut conn, &filter.behind(first.next.unwrap())).await.unwrap();
    assert_eq!((rest.searched, rest.next), (None, None), "and goes on from there");
    assert_eq!(rest.runs.len(), 90, "r11910 to r11999");
}

#[tokio::test]
async fn the_few_that_an_index_knows_are_found_behind_any_number_of_others() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    let stuck = Plan::new();
    world().fail(&stuck, "note paid", &[Fault::Review]);
    let stuck = cell.start::<Trip>("stuck", &stuck).await;
    cell.incident(stuck).await;
    let mut tx = cell.pool.begin().await.unwrap();
    let of = StartOptions::new().attribute("customer", "81");
    cell.client.start_with::<Trip>(&mut tx, "mine", &Plan::new(), &of).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    cell.until("one ended", "select exists (select 1 from runs where ended_at is not null)").await;
    worker.drain().await.unwrap();
    // They are older by their ids, so the oldest first come before those that are looked for.
    many(&cell, 11_000).await;
    sqlx::query("update tasks set tries = '{}' where run_id = $1::uuid")
        .bind("00000000-0000-7000-8000-000000002000")
        .execute(&cell.pool)
        .await
        .unwrap();
    for (query, wanted) in [
        ("state=STUCK&sort=started", "stuck"),
        ("state=RETRYING&sort=started", "r8192"),
        ("attr.customer=81&sort=started", "mine"),
        ("class=odd&workflow=trip&sort=started", "stuck"),
    ] {
        assert_eq!(found(&cell, query).await, [wanted], "{query}");
    }
    let mut conn = cell.pool.acquire().await.unwrap();
    let page = inspect::list(&mut conn, &"state=RETRYING".parse().unwrap()).await.unwrap();
    assert!(page.runs[0].retrying && page.runs[0].state == RunState::Running.as_str());
}

#[tokio::test]
async fn what_a_process_says_of_itself_stands_beside_its_workers_until_it_is_taken_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    makegood::note("weather", Some("it \"rains\"\0"));
    let said = "select exists (select 1 from workers where alive and notes ->> 'weather' = 'it \"rains\"')";
    cell.until("it is said with a renewal", said).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let workers = inspect::workers(&mut conn).await.unwrap();
    let about = workers[0].about.as_ref().unwrap();
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["in_flight"], 2_048);
    assert!(workers[0].alive && !workers[0].overdue && workers[0].held == 0, "{workers:?}");
    makegood::note("weather", None);
    let silent = "select exists (select 1 from workers where alive and notes is null)";
    cell.until("nothing is said any more", silent).await;
    worker.drain().await.unwrap();
    let workers = inspect::workers(&mut conn).await.unwrap();
    assert!(!workers[0].alive && workers[0].ended_at.is_some(), "it is over: {workers:?}");
}
