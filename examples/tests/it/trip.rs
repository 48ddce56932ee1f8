//! Trips: booked and paid, or called off whole; looked up where nobody knows.

use makegood::Cause;
use makegood_examples::outside::Fault;
use makegood_examples::trip::{Reason, Trip, TripWish, plan};

use crate::support::{TestStage, refusal};

fn wish() -> TripWish {
    let (trip_id, traveller) = ("lisbon".to_owned(), "Ada".to_owned());
    TripWish { trip_id, traveller, budget_cents: 60_000 }
}

/// Plans the trip and waits for its end; the ending, and what the trip's row says.
async fn travel(
    stage: &TestStage,
) -> (makegood::Ending<<Trip as makegood::Workflow>::Output>, String) {
    let mut tx = stage.pool().begin().await.unwrap();
    let started = plan(&mut tx, stage.client(), &wish()).await.unwrap();
    tx.commit().await.unwrap();
    stage.client().wake();
    let ending = stage.ended::<Trip>(started.run_id).await.unwrap();
    let row = "select status || coalesce(', ' || note, '') from trips where trip_id = 'lisbon'";
    (ending, stage.scalar(row).await)
}

const WHOLE: [&str; 4] = [
    "bookings: car for Ada",
    "bookings: flight for Ada",
    "bookings: hotel for Ada",
    "charges: charge for Ada",
];

#[tokio::test]
async fn a_trip_is_booked_paid_and_confirmed() {
    let stage = TestStage::new().await;
    let (ending, row) = travel(&stage).await;
    let itinerary = ending.output.unwrap();
    let booked: Vec<&str> = itinerary.booked.iter().map(|booked| booked.what.as_str()).collect();
    assert_eq!(booked, ["flight", "hotel", "car"], "in the order of the wish");
    assert_eq!(itinerary.price_cents, 51_000);
    assert_eq!(row, format!("CONFIRMED, paid with receipt {}", itinerary.receipt));
    assert_eq!(stage.outside().standing(), WHOLE);
    stage.leave().await;
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_found_and_not_done_again() {
    let stage = TestStage::new().await;
    for what in ["flight", "hotel", "charge"] {
        stage.outside().fail(what, &[Fault::AnswerLost]);
    }
    stage.outside().fail("car", &[Fault::Busy, Fault::AnswerLost]);
    let (ending, _) = travel(&stage).await;
    assert_eq!(ending.state, "COMPLETED");
    assert_eq!(stage.outside().standing(), WHOLE, "once each");
    stage.leave().await;
}

#[tokio::test]
async fn a_booking_that_is_refused_calls_the_others_off() {
    for what in ["flight", "hotel", "car"] {
        let stage = TestStage::new().await;
        stage.outside().fail(what, &[Fault::Refused("SOLD_OUT")]);
        let (ending, row) = travel(&stage).await;
        assert_eq!(refusal(&ending), ("book", "SOLD_OUT"));
        assert_eq!(row, "CALLED_OFF, book: SOLD_OUT");
        assert_eq!(stage.outside().standing(), [""; 0], "nothing stands");
        stage.leave().await;
    }
}

#[tokio::test]
async fn a_card_that_is_refused_calls_the_trip_off() {
    let stage = TestStage::new().await;
    stage.outside().fail("charge", &[Fault::Refused("DECLINED")]);
    let (ending, row) = travel(&stage).await;
    assert_eq!(refusal(&ending), ("charge", "DECLINED"));
    assert_eq!(row, "CALLED_OFF, charge: DECLINED");
    assert_eq!(stage.outside().standing(), [""; 0], "nothing stands, and nothing is paid");
    stage.leave().await;
}

#[tokio::test]
async fn a_trip_beyond_its_budget_is_called_off() {
    let stage = TestStage::new().await;
    stage.outside().set_price("hotel", 40_000);
    let (ending, row) = travel(&stage).await;
    let why = ending.cause.as_ref().and_then(Cause::reason);
    assert_eq!(why, Some(Reason::TooDear { price_cents: 67_000 }));
    assert_eq!(row, "CALLED_OFF, too dear at 67000 cents");
    assert_eq!(stage.outside().standing(), [""; 0], "nothing stands");
    stage.leave().await;
}

#[tokio::test]
async fn a_wish_and_its_run_are_there_together_or_not_at_all() {
    let stage = TestStage::new().await;
    let mut tx = stage.pool().begin().await.unwrap();
    plan(&mut tx, stage.client(), &wish()).await.unwrap();
    tx.rollback().await.unwrap();
    let there = "select (select count(*) from trips) + (select count(*) from runs)";
    assert_eq!(stage.scalar::<i64>(there).await, 0, "a rollback leaves neither");
    for created in [true, false] {
        let mut tx = stage.pool().begin().await.unwrap();
        let started = plan(&mut tx, stage.client(), &wish()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(started.created, created, "the same wish again is the same run");
    }
    stage.client().wake();
    stage.until("it ends", "select not exists (select 1 from tasks)").await;
    assert_eq!(stage.scalar::<i64>(there).await, 2);
    stage.leave().await;
}
