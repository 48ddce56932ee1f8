//! What workers hold, for whoever ends one and wants to know what that meets.

use makegood::inspect;

use crate::support::{TestCell, forgetful};
use crate::trades::{Plan, Steps4, registry, world};

#[tokio::test]
async fn what_a_worker_holds_is_told_with_the_step_that_it_is_in_until_it_has_moved_on() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book one");
    let worker = cell.worker_with(registry(), forgetful()).await;
    let run = cell.start::<Steps4>("s1", &plan).await;
    world().until_met(&plan, "book one", 1).await;
    let mut conn = cell.pool.acquire().await.unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let held = inspect::holdings(&mut conn, Some(own)).await.unwrap();
    let [it] = &held[..] else { panic!("one run is held: {held:?}") };
    assert_eq!((it.run_id, it.state.as_str(), it.epoch), (run, "RUNNING", 1));
    assert!(it.calling.is_some(), "it is in a call: {it:?}");
    assert_eq!(inspect::holdings(&mut conn, None).await.unwrap(), held, "nobody else holds any");
    let another = inspect::holdings(&mut conn, Some(own + 1)).await.unwrap();
    assert!(another.is_empty(), "another process holds none: {another:?}");
    assert_eq!(inspect::unmoved(&mut conn, &held).await.unwrap(), [run], "it has not moved");
    gate.add_permits(100);
    cell.ended::<Steps4>(run).await;
    assert!(inspect::unmoved(&mut conn, &held).await.unwrap().is_empty(), "it has ended");
    worker.drain().await.unwrap();
    cell.audited().await;
}
