//! Marks: what moves them, and what must not, since every live page is drawn again when one moves.

use makegood::inspect::{self, Marks};

use crate::support::TestCell;
use crate::trades::{Parcel, Plan, Signed, Waiting};

async fn marks(cell: &TestCell) -> Marks {
    let mut conn = cell.pool.acquire().await.unwrap();
    inspect::marks(&mut conn).await.unwrap()
}

#[tokio::test]
async fn a_mark_moves_with_its_part_alone_and_stands_still_while_leases_are_renewed() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let empty = marks(&cell).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    cell.waits().await;
    let waits = marks(&cell).await;
    assert_ne!(waits.runs, empty.runs, "a run was started");
    assert_eq!((&waits.incidents, &waits.acts), (&empty.incidents, &empty.acts));

    cell.execute("update workers set lease_until = lease_until + interval '1 second'").await;
    let renewed = marks(&cell).await;
    assert_ne!(renewed.leases, waits.leases, "a lease was renewed");
    let but_leases = Marks { leases: waits.leases.clone(), ..renewed };
    assert_eq!(but_leases, waits, "and nothing else has moved");
    cell.execute("update workers set notes = '{\"gateway\": \"held\"}'").await;
    assert_ne!(marks(&cell).await.workers, waits.workers, "a worker says something");

    let hand = cell.client.operator("ada", "wait").unwrap();
    hand.pause(run).await.unwrap();
    let paused = marks(&cell).await;
    assert_ne!(paused.runs, waits.runs, "it was paused");
    assert_ne!(paused.incidents, waits.incidents, "which is an incident");
    assert_ne!(paused.acts, waits.acts, "that somebody made");
    assert_eq!((&paused.settings, &paused.bulks), (&waits.settings, &waits.bulks));

    cell.signal::<Parcel>("p1", &Signed { by: "Ada".to_owned() }).await;
    let signed = marks(&cell).await;
    assert_ne!(signed.runs, paused.runs, "it got mail");
    assert_eq!(signed.incidents, paused.incidents);
    hand.resume(run).await.unwrap();
    cell.ended::<Parcel>(run).await;
    assert_ne!(marks(&cell).await.runs, signed.runs, "it has ended");

    let before = marks(&cell).await.settings;
    cell.execute("insert into queues (queue, paused) values ('slow', true)").await;
    assert_ne!(marks(&cell).await.settings, before, "a queue is paused");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn of_more_runs_than_a_mark_is_made_from_each_counts() {
    let cell = TestCell::new().await;
    cell.execute(
        "with l as (
           insert into lanes (queue, workflow, version, priority, share)
           values ('q', 'w', 1, 0, '') returning lane
         ), r as (
           insert into runs (run_id, workflow, workflow_id, input)
           select gen_random_uuid(), 'w', 'run-' || n, '{}' from generate_series(1, 3000) n
           returning run_id
         )
         insert into tasks (run_id, lane, state, waits, due_at)
         select run_id, lane, 'WAITING', '{}', now() + interval '1 day' from r, l",
    )
    .await;
    let before = marks(&cell).await;
    // The last row of the table: no mark is made from it.
    cell.execute(
        "update tasks set mailbox = mailbox + 1
         where ctid = (select ctid from tasks order by ctid desc limit 1)",
    )
    .await;
    assert_ne!(marks(&cell).await.runs, before.runs);
}
