//! An order that two warehouses send, and one that the second of them cannot.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::time::Duration;

use makegood_examples::fan_out::{FanOut, SplitOrder};
use makegood_examples::stage::{Error, Stage};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let stage = Stage::private().await?;
    sqlx::query(
        "insert into warehouse_stock (warehouse, sku, available)
         values ('north', 'kettle', 5), ('south', 'kettle', 1)",
    )
    .execute(stage.pool())
    .await?;

    println!("Both warehouses have what they are asked for; the survey goes its own way.\n");
    order(&stage, "order-1", &[("north", 2), ("south", 1)]).await?;

    println!("The south has none left: the north is cancelled while it waits for its van.\n");
    order(&stage, "order-2", &[("north", 2), ("south", 1)]).await?;

    let left = "select string_agg(warehouse || ' ' || available, ', ' order by warehouse)
                from warehouse_stock";
    let left: String = sqlx::query_scalar(left).fetch_one(stage.pool()).await?;
    println!("On the shelves: {left}");
    stage.close().await
}

async fn order(stage: &Stage, order_id: &str, parts: &[(&str, u32)]) -> Result<(), Error> {
    let (van, survey) = (Duration::from_millis(500), Duration::from_millis(200));
    let order = SplitOrder::new(order_id, "kettle", parts).with_times(van, survey);
    let run = stage.start::<FanOut>(order_id, &order).await?;
    stage.ended::<FanOut>(run).await?;
    println!("{}", stage.timeline(run).await?);
    Ok(())
}
