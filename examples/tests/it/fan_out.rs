//! Orders in many parts: all of it or nothing, whatever a child had done by then.

use std::time::Duration;

use makegood::CHILD_NOT_COMPLETED;
use makegood_examples::fan_out::{FanOut, Shipment, SplitOrder, Survey};

use crate::support::{TestStage, refusal};

const NOW: Duration = Duration::ZERO;
const DAY: Duration = Duration::from_hours(24);

async fn stage_with(north: i64, south: i64) -> TestStage {
    let stage = TestStage::new().await;
    stage
        .execute(&format!(
            "insert into warehouse_stock (warehouse, sku, available)
             values ('north', 'kettle', {north}), ('south', 'kettle', {south})"
        ))
        .await;
    stage
}

async fn stock(stage: &TestStage) -> Vec<i64> {
    let sql = "select available from warehouse_stock order by warehouse";
    sqlx::query_scalar(sql).fetch_all(stage.pool()).await.unwrap()
}

async fn status(stage: &TestStage) -> String {
    stage.scalar("select status from split_orders").await
}

fn order() -> SplitOrder {
    SplitOrder::new("order-1", "kettle", &[("north", 2), ("south", 3)])
}

#[tokio::test]
async fn an_order_is_shipped_from_all_its_warehouses() {
    let stage = stage_with(5, 5).await;
    let order = order().with_times(NOW, NOW);
    let ending = stage.end_of::<FanOut>("o", &order).await;
    let quantities: Vec<u32> = ending.output.unwrap().iter().map(|p| p.quantity).collect();
    assert_eq!(quantities, [2, 3], "in the order of the parts");
    assert_eq!((stock(&stage).await, status(&stage).await), (vec![3, 2], "SHIPPED".to_owned()));
    assert_eq!(stage.scalar::<i64>("select count(*) from parcels").await, 2);
    stage.until("the survey ends as well", "select not exists (select 1 from tasks)").await;
    assert_eq!(stage.outside().standing(), ["messages: survey for the buyer of order-1"]);
    stage.leave().await;
}

#[tokio::test]
async fn a_part_that_fails_cancels_those_that_still_wait() {
    let stage = stage_with(5, 1).await;
    // The van of the north leaves in an hour: the order does not wait for it.
    let ending = stage.end_of::<FanOut>("o", &order()).await;
    assert_eq!(refusal(&ending), ("shipment", CHILD_NOT_COMPLETED));
    assert_eq!(stock(&stage).await, [5, 1], "everything is back");
    assert_eq!(status(&stage).await, "CALLED_BACK");
    let ends = "select ended_state from runs where workflow = 'shipment'";
    assert_eq!(stage.lines(ends).await, ["COMPENSATED", "COMPENSATED"], "both children are undone");
    stage.leave().await;
}

#[tokio::test]
async fn what_a_child_did_that_had_ended_by_then_is_undone_by_its_order() {
    let stage = stage_with(5, 5).await;
    let mut order = order().with_times(DAY, NOW);
    let north = order.parts.first_mut().unwrap();
    north.van_leaves_in = NOW;
    let run = stage.start::<FanOut>("o", &order).await.unwrap();
    stage.until("the north is loaded", "select exists (select 1 from parcels)").await;
    stage.until("the south waits for its van", "select exists (select 1 from warehouse_stock where warehouse = 'south' and available = 2)").await;
    stage.cancel::<FanOut>("o").await;
    assert_eq!(stage.ended::<FanOut>(run).await.unwrap().state, "COMPENSATED");
    let ends = "select ended_state from runs where workflow = 'shipment' order by ended_state";
    assert_eq!(stage.lines(ends).await, ["COMPENSATED", "COMPLETED"], "one of each");
    assert_eq!(stock(&stage).await, [5, 5], "everything is back");
    assert_eq!(stage.scalar::<i64>("select count(*) from parcels").await, 0, "also from the van");
    stage.leave().await;
}

#[tokio::test]
async fn vans_and_surveys_are_waited_for_as_long_as_it_takes() {
    let stage = stage_with(2, 3).await;
    let run = stage.start::<FanOut>("o", &order()).await.unwrap();
    let wait =
        "select count(*) = 2 from run_states where workflow = 'shipment' and state = 'WAITING'";
    stage.until("both wait for their vans", wait).await;
    stage.skip_wait_of::<Shipment>().await;
    assert_eq!(stage.ended::<FanOut>(run).await.unwrap().state, "COMPLETED");
    stage.skip_wait_of::<Survey>().await;
    stage.until("the survey is sent", "select not exists (select 1 from tasks)").await;
    stage.leave().await;
}

#[tokio::test]
async fn a_sale_sells_what_there_is_and_not_one_more() {
    let stage = stage_with(100, 0).await;
    let mut tx = stage.pool().begin().await.unwrap();
    for number in 0..150 {
        let id = format!("order-{number}");
        let order = SplitOrder::new(&id, "kettle", &[("north", 1)]).with_times(NOW, DAY);
        stage.client().start::<FanOut>(&mut tx, &id, &order).await.unwrap();
    }
    tx.commit().await.unwrap();
    stage.client().wake();
    let over = "select count(ended_at) = 150 from runs where workflow = 'fan_out'";
    stage.until("all have ended", over).await;
    let shipped = "select count(*) from split_orders where status = 'SHIPPED'";
    assert_eq!(stage.scalar::<i64>(shipped).await, 100, "as many as there were");
    assert_eq!(stock(&stage).await, [0, 0]);
    let commits = "select count(distinct xmin::text) from steps where name = 'take_stock'";
    let commits: i64 = stage.scalar(commits).await;
    assert!(commits < 75, "few transactions carried them: {commits}");
    stage.leave().await;
}
