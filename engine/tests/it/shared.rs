//! Starts, signals and waits of many callers at once: they share commits and questions, and each
//! gets the answer that it would have got alone.

use std::time::Duration;

use futures::future::join_all;
use makegood::{Delivery, Error, Started};
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{Parcel, Plan, Returns, Signed, Steps4, Waiting};

const CALLERS: usize = 300;

fn waiting() -> Waiting {
    Waiting { plan: Plan::new(), within_ms: 20_000 }
}

fn signed(by: &str) -> Signed {
    Signed { by: by.to_owned() }
}

async fn sign(cell: &TestCell, id: &str, signal_id: &str) -> Result<Delivery, Error> {
    cell.client.signal_now::<Parcel, Signed>(id, signal_id, &signed(signal_id)).await
}

#[tokio::test]
async fn many_starts_and_signals_at_once_share_commits_and_all_are_carried_out() {
    let cell = TestCell::new().await;
    let input = waiting();
    let ids: Vec<String> = (0..CALLERS).map(|index| format!("p{index}")).collect();
    let starts = ids.iter().map(|id| cell.client.start_now::<Parcel>(id, &input));
    let started: Vec<Started> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
    assert!(started.iter().all(|start| start.created), "each id was free");
    let delivered = join_all(ids.iter().map(|id| sign(&cell, id, "ada"))).await;
    assert!(delivered.into_iter().all(|answer| answer.unwrap() == Delivery::Queued));
    for table in ["runs", "tasks", "signals"] {
        let commits = format!("select count(distinct xmin::text) from {table}");
        let commits: i64 = cell.scalar(&commits).await;
        assert!(commits < 30, "{CALLERS} rows of {table} came in {commits} commits");
    }
    let worker = cell.worker().await;
    let limit = Duration::from_secs(30);
    let ends = started.iter().map(|run| cell.client.ending::<Parcel>(run.run_id, limit));
    for ending in join_all(ends).await {
        assert_eq!(ending.unwrap().unwrap().output, Some(Some("ada".to_owned())));
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn ten_thousand_first_starts_of_a_client_need_no_more_connections_than_it_has() {
    let cell = TestCell::new().await;
    let input = Plan::new();
    let ids: Vec<String> = (0..10_000).map(|index| format!("s{index}")).collect();
    let starts = ids.iter().map(|id| cell.client.start_now::<Steps4>(id, &input));
    let refused = join_all(starts).await.into_iter().find_map(Result::err);
    assert!(refused.is_none(), "{refused:?}");
    let queued: i64 = cell.scalar("select count(*) from tasks").await;
    assert_eq!(queued, 10_000);
}

#[tokio::test]
async fn starts_with_one_id_at_once_are_one_run_and_another_input_is_refused() {
    let cell = TestCell::new().await;
    let (input, other) = (Plan::new(), Plan::new());
    let same = (0..20).map(|_| cell.client.start_now::<Steps4>("s1", &input));
    let same: Vec<Started> = join_all(same).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(same.iter().filter(|start| start.created).count(), 1);
    assert!(same.iter().all(|start| start.run_id == same[0].run_id));
    let (good, conflict) = futures::join!(
        cell.client.start_now::<Steps4>("s2", &other),
        cell.client.start_now::<Steps4>("s1", &other),
    );
    assert!(good.unwrap().created, "its neighbour's conflict is none of its own");
    assert!(
        matches!(conflict, Err(Error::InputConflict { run_id, .. }) if run_id == same[0].run_id)
    );
}

#[tokio::test]
async fn a_start_that_the_database_refuses_fails_alone() {
    let cell = TestCell::new().await;
    let input = Plan::new();
    let (bad, good) = futures::join!(
        cell.client.start_now::<Steps4>("a null: \0", &input),
        cell.client.start_now::<Steps4>("s1", &input),
    );
    assert!(matches!(bad, Err(Error::Database(_))), "PostgreSQL's texts hold no null");
    assert!(good.unwrap().created);
}

#[tokio::test]
async fn signals_at_once_are_answered_as_each_would_be_alone() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let over = cell.start::<Parcel>("over", &Waiting { within_ms: 1, ..waiting() }).await;
    cell.ended::<Parcel>(over).await;
    let live = cell.start::<Parcel>("live", &waiting()).await;
    let (first, twin, late, nobody) = futures::join!(
        sign(&cell, "live", "ada"),
        sign(&cell, "live", "ada"),
        sign(&cell, "over", "bob"),
        sign(&cell, "nobody", "cleo"),
    );
    // Whichever came first.
    let twins = [first.unwrap(), twin.unwrap()];
    assert!(twins.contains(&Delivery::Queued) && twins.contains(&Delivery::Repeated), "{twins:?}");
    assert_eq!(late.unwrap(), Delivery::Late);
    assert!(matches!(nobody, Err(Error::RunNotFound(_))));
    assert_eq!(cell.ended::<Parcel>(live).await.output, Some(Some("ada".to_owned())));
    let handler: Uuid = cell.scalar("select run_id from runs where workflow = 'returns'").await;
    assert_eq!(cell.ended::<Returns>(handler).await.output, Some("bob".to_owned()));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_signal_to_a_run_whose_row_somebody_locks_holds_up_no_other() {
    let cell = TestCell::new().await;
    let input = waiting();
    cell.start::<Parcel>("p1", &input).await;
    cell.start::<Parcel>("p2", &input).await;
    let mut tx = cell.pool.begin().await.unwrap();
    sqlx::query("select 1 from tasks where run_id = (select run_id from runs where workflow_id = 'p1') for update")
        .execute(&mut *tx)
        .await
        .unwrap();
    let held = sign(&cell, "p1", "ada");
    let free = async {
        let beside = sign(&cell, "p2", "bob").await;
        let after = sign(&cell, "p2", "cleo").await;
        tx.commit().await.unwrap();
        (beside, after)
    };
    let (held, (beside, after)) = futures::join!(held, free);
    for delivered in [held, beside, after] {
        assert_eq!(delivered.unwrap(), Delivery::Queued);
    }
}

#[tokio::test]
async fn who_waits_for_an_end_is_told_also_when_it_is_over_or_never_comes() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let run = cell.start::<Steps4>("s1", &Plan::new()).await;
    cell.ended::<Steps4>(run).await;
    let at_once = cell.client.ending::<Steps4>(run, Duration::ZERO).await.unwrap();
    assert_eq!(at_once.unwrap().state, "COMPLETED", "it is looked at even with no time to wait");
    let nobody = cell.client.ending::<Steps4>(Uuid::now_v7(), Duration::from_millis(1)).await;
    assert!(nobody.unwrap().is_none());
    let forever = cell.start::<Parcel>("p1", &waiting()).await;
    let client = cell.client.clone();
    let (waits, also) = (
        client.ending::<Parcel>(forever, Duration::MAX),
        client.ending::<Parcel>(forever, Duration::from_secs(30)),
    );
    let (waits, also, _) = futures::join!(waits, also, sign(&cell, "p1", "ada"));
    assert_eq!(waits.unwrap().unwrap().output, also.unwrap().unwrap().output);
    worker.drain().await.unwrap();
}
