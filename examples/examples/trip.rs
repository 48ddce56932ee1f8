//! A trip that is booked and paid, one that is sold out half-way, and one that is too dear.
#![allow(clippy::print_stdout, reason = "a program for people")]

use makegood_examples::outside::Fault;
use makegood_examples::stage::{Error, Stage};
use makegood_examples::trip::{Trip, TripWish, plan};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let stage = Stage::private().await?;

    println!(
        "The answer to the hotel is lost; it is looked up by its key, and not booked twice.\n"
    );
    stage.outside().fail("hotel", &[Fault::AnswerLost]);
    travel(&stage, "lisbon").await?;

    println!("There is no car left: what is booked by then is called off.\n");
    stage.outside().fail("car", &[Fault::Refused("SOLD_OUT")]);
    travel(&stage, "oslo").await?;

    println!("The flight has become dear, and the saga itself decides to make good.\n");
    stage.outside().set_price("flight", 95_000);
    travel(&stage, "tokyo").await?;

    println!("Outside there stands:\n{}", stage.outside().standing().join("\n"));
    stage.close().await
}

/// Plans a trip and starts its run in one transaction, waits for its end, and shows its record.
async fn travel(stage: &Stage, trip_id: &str) -> Result<(), Error> {
    let traveller = "Ada".to_owned();
    let wish = TripWish { trip_id: trip_id.to_owned(), traveller, budget_cents: 60_000 };
    let mut tx = stage.pool().begin().await?;
    let started = plan(&mut tx, stage.client(), &wish).await?;
    tx.commit().await?;
    stage.client().wake();

    stage.ended::<Trip>(started.run_id).await?;
    println!("{}", stage.timeline(started.run_id).await?);
    Ok(())
}
