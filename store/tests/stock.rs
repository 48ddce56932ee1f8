//! Stock: no unit is sold twice, none is lost, and nothing happens twice to one hold.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use std::sync::Arc;

use domain::{HoldId, HoldState, OrderId, OrderStatus};
use store::stock::{self, Adjustment, ShortLine, Taken};
use store::{Error, holds};
use support::{TestDatabase, request, sku, tenant, test_database};
use tokio::task::JoinSet;
use uuid::Uuid;

async fn counters(db: &TestDatabase, name: &str) -> (i64, i64, i64, i64) {
    let found = stock::get(&mut *db.conn().await, &tenant(), &sku(name)).await.unwrap();
    (found.total, found.available, found.reserved, found.sold)
}

fn new_order() -> OrderId {
    OrderId::from(Uuid::now_v7())
}

async fn assert_movements_replay(db: &TestDatabase) {
    let found = db.violations().await;
    let broken: Vec<_> = found
        .iter()
        .filter(|v| v.invariant.contains("counters") || v.invariant.contains("reserved"))
        .collect();
    assert!(broken.is_empty(), "replayed movements give the counters: {broken:?}");
}

#[tokio::test]
async fn the_worked_case_ends_with_ninety_available() {
    let db = test_database().await;
    let a = db.product("A", 100).await;
    let (first, second) = (db.order(&[(&a, 10)]).await, db.order(&[(&a, 10)]).await);
    let (pays, _) = db.hold(first, &[(&a, 10)]).await;
    let (fails, _) = db.hold(second, &[(&a, 10)]).await;
    assert_eq!(counters(&db, "A").await, (100, 80, 20, 0), "both hold ten");
    let mut conn = db.conn().await;
    assert_eq!(stock::finalise(&mut conn, &[pays]).await.unwrap(), [pays]);
    assert_eq!(counters(&db, "A").await, (90, 80, 10, 10), "the first is sold");
    assert_eq!(stock::release(&mut conn, &[fails]).await.unwrap(), [fails]);
    assert_eq!(counters(&db, "A").await, (90, 90, 0, 10), "the second is back on sale");
    assert_movements_replay(&db).await;
}

#[tokio::test]
async fn two_hundred_buyers_of_a_hundred_units_get_exactly_a_hundred() {
    let db = Arc::new(test_database().await);
    let a = db.product("A", 100).await;
    let mut buyers = JoinSet::new();
    for _ in 0..200 {
        let (db, a) = (db.clone(), a.clone());
        buyers.spawn(async move { db.hold(new_order(), &[(&a, 1)]).await.1 });
    }
    let answers = buyers.join_all().await;
    let held = answers.iter().filter(|taken| **taken == Taken::Held).count();
    assert_eq!(held, 100, "as many are held as there were");
    assert_eq!(counters(&db, "A").await, (100, 0, 100, 0), "and nothing is left");
    assert_movements_replay(&db).await;
}

#[tokio::test]
async fn crossing_carts_do_not_deadlock_and_hold_all_or_nothing() {
    let db = Arc::new(test_database().await);
    let (a, b) = (db.product("A", 50).await, db.product("B", 30).await);
    let mut buyers = JoinSet::new();
    for buyer in 0..80 {
        let (db, a, b) = (db.clone(), a.clone(), b.clone());
        buyers.spawn(async move {
            let lines = if buyer % 2 == 0 { [(&a, 1), (&b, 1)] } else { [(&b, 1), (&a, 1)] };
            let mut wanted = request(new_order(), &lines);
            if buyer % 2 == 1 {
                wanted.lines.reverse();
            }
            let mut tx = db.pool.begin().await.unwrap();
            let mut taken = stock::take(&mut tx, &[wanted]).await.unwrap();
            tx.commit().await.unwrap();
            taken.remove(0)
        });
    }
    let answers = buyers.join_all().await;
    let held = answers.iter().filter(|taken| **taken == Taken::Held).count();
    assert_eq!(held, 30, "the scarcer product decides");
    assert_eq!(counters(&db, "A").await, (50, 20, 30, 0), "no half of a cart is held");
    assert_eq!(counters(&db, "B").await, (30, 0, 30, 0));
    assert_movements_replay(&db).await;
}

#[tokio::test]
async fn a_cart_that_does_not_fit_names_its_short_lines_and_changes_nothing() {
    let db = test_database().await;
    let (a, b) = (db.product("A", 5).await, db.product("B", 1).await);
    let missing = sku("missing");
    let (hold, taken) = db.hold(new_order(), &[(&a, 1), (&b, 2), (&missing, 1)]).await;
    let short = vec![
        ShortLine { sku: b, wanted: 2, available: 1 },
        ShortLine { sku: missing, wanted: 1, available: 0 },
    ];
    assert_eq!(taken, Taken::Short(short), "every short line, and only those");
    assert_eq!(counters(&db, "A").await, (5, 5, 0, 0), "nothing is held");
    let found = holds::get(&mut *db.conn().await, hold).await;
    assert!(matches!(found, Err(Error::NotFound)), "there is no hold: {found:?}");
}

#[tokio::test]
async fn a_batch_serves_requests_in_turn_and_each_hold_once() {
    let db = test_database().await;
    let (a, b) = (db.product("A", 3).await, db.product("B", 3).await);
    let first = request(new_order(), &[(&a, 2), (&b, 1)]);
    let too_much = request(new_order(), &[(&a, 2), (&b, 1)]);
    let last = request(new_order(), &[(&a, 1), (&b, 2)]);
    let batch = [first.clone(), too_much, last, first];
    let mut tx = db.pool.begin().await.unwrap();
    let taken = stock::take(&mut tx, &batch).await.unwrap();
    tx.commit().await.unwrap();
    let short = ShortLine { sku: a, wanted: 2, available: 1 };
    let wanted = [Taken::Held, Taken::Short(vec![short]), Taken::Held, Taken::AlreadyKnown];
    assert_eq!(taken, wanted, "the second is short, the repeat is known");
    assert_eq!(counters(&db, "A").await, (3, 0, 3, 0));
    assert_eq!(counters(&db, "B").await, (3, 0, 3, 0));
    let ids: Vec<HoldId> = batch.iter().map(|r| r.hold_id).collect();
    let mut conn = db.conn().await;
    let sold = stock::finalise(&mut conn, &ids).await.unwrap();
    assert_eq!(sold.len(), 2, "what was held is sold, in one go");
    assert!(stock::release(&mut conn, &ids).await.unwrap().is_empty(), "and not released");
    assert_eq!(counters(&db, "A").await, (0, 0, 0, 3));
    assert_movements_replay(&db).await;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Move {
    Finalise,
    Release,
    Restock,
}

/// What the hold becomes, and whether the move did anything.
fn model(state: HoldState, step: Move) -> (HoldState, bool) {
    match (state, step) {
        (HoldState::Held, Move::Finalise) => (HoldState::Finalised, true),
        (HoldState::Held, Move::Release) => (HoldState::Released, true),
        (HoldState::Finalised, Move::Restock) => (HoldState::Restocked, true),
        _ => (state, false),
    }
}

#[tokio::test]
async fn every_order_of_moves_changes_a_hold_at_most_as_the_model_does() {
    let db = test_database().await;
    let a = db.product("A", 1_000).await;
    let moves = [Move::Finalise, Move::Release, Move::Restock];
    let mut conn = db.conn().await;
    let (mut reserved, mut sold) = (0, 0);
    for code in 0..81_usize {
        let steps = (0..4).map(|place| moves[code / 3_usize.pow(place) % 3]);
        let (hold, _) = db.hold(new_order(), &[(&a, 3)]).await;
        let mut state = HoldState::Held;
        for step in steps {
            let (next, changes) = model(state, step);
            let done = match step {
                Move::Finalise => stock::finalise(&mut conn, &[hold]).await,
                Move::Release => stock::release(&mut conn, &[hold]).await,
                Move::Restock => stock::restock(&mut conn, &[hold]).await,
            };
            assert_eq!(done.unwrap().len() == 1, changes, "{step:?} of a {state} hold");
            state = next;
        }
        let found = holds::get(&mut conn, hold).await.unwrap().state;
        assert_eq!(found, state, "the hold is what the model says");
        reserved += if state == HoldState::Held { 3 } else { 0 };
        sold += if state == HoldState::Finalised { 3 } else { 0 };
    }
    let wanted = (1_000 - sold, 1_000 - sold - reserved, reserved, sold);
    assert_eq!(counters(&db, "A").await, wanted, "no unit moved twice");
    assert_movements_replay(&db).await;
}

#[tokio::test]
async fn finalise_and_release_at_the_same_time_end_a_hold_once() {
    let db = Arc::new(test_database().await);
    let a = db.product("A", 50).await;
    let mut racing = JoinSet::new();
    for _ in 0..20 {
        let (hold, _) = db.hold(new_order(), &[(&a, 2)]).await;
        for finalise in [true, false, true, false] {
            let db = db.clone();
            racing.spawn(async move {
                let mut conn = db.conn().await;
                let done = if finalise {
                    stock::finalise(&mut conn, &[hold]).await
                } else {
                    stock::release(&mut conn, &[hold]).await
                };
                done.unwrap().len()
            });
        }
    }
    let ended: usize = racing.join_all().await.into_iter().sum();
    assert_eq!(ended, 20, "each hold ended once");
    let (_, available, reserved, sold) = counters(&db, "A").await;
    assert_eq!((available + sold, reserved), (50, 0), "every unit is on sale or sold");
    assert_movements_replay(&db).await;
}

#[tokio::test]
async fn undoing_a_hold_that_never_was_is_done() {
    let db = test_database().await;
    let mut conn = db.conn().await;
    let never = HoldId::from(Uuid::now_v7());
    assert_eq!(stock::release(&mut conn, &[never]).await.unwrap(), [], "nothing to release");
    assert_eq!(stock::finalise(&mut conn, &[never]).await.unwrap(), [], "nothing to sell");
    assert_eq!(stock::restock(&mut conn, &[never]).await.unwrap(), [], "nothing to restock");
}

#[tokio::test]
async fn an_order_has_one_live_hold() {
    let db = test_database().await;
    let a = db.product("A", 10).await;
    let order = new_order();
    let (first, _) = db.hold(order, &[(&a, 1)]).await;
    let mut tx = db.pool.begin().await.unwrap();
    let second = stock::take(&mut tx, &[request(order, &[(&a, 1)])]).await;
    assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");
    tx.rollback().await.unwrap();
    stock::release(&mut *db.conn().await, &[first]).await.unwrap();
    let (_, again) = db.hold(order, &[(&a, 1)]).await;
    assert_eq!(again, Taken::Held, "after a release the next attempt may hold");
}

#[tokio::test]
async fn an_adjustment_leaves_a_movement_and_never_takes_what_is_not_available() {
    let db = test_database().await;
    let a = db.product("A", 10).await;
    db.hold(new_order(), &[(&a, 8)]).await;
    let mut conn = db.conn().await;
    let change = Adjustment {
        tenant_id: &tenant(),
        sku: &a,
        delta: -3,
        actor: "admin",
        reason: "broken in the store",
    };
    assert!(!stock::adjust(&mut conn, &change).await.unwrap(), "only two are available");
    let fewer = Adjustment { delta: -2, ..change };
    assert!(stock::adjust(&mut conn, &fewer).await.unwrap());
    assert_eq!(counters(&db, "A").await, (8, 0, 8, 0));
    assert_movements_replay(&db).await;
}

#[tokio::test]
async fn a_settled_checkout_breaks_no_invariant() {
    let db = test_database().await;
    let settled = db.settled().await;
    assert_eq!(db.violations().await, [], "a checkout as it should be");
    assert!(db.move_to(settled.order, OrderStatus::Shipped).await);
    assert!(db.move_to(settled.order, OrderStatus::Delivered).await);
    assert_eq!(db.violations().await, [], "nor does a delivery");
}

#[test]
fn a_planted_bug_is_noticed() {
    let missed = planted::caught(&[(
        "a hold ends twice",
        "every_order_of_moves_changes_a_hold_at_most_as_the_model_does",
    )]);
    assert_eq!(missed.unwrap(), [""; 0], "these tests can tell");
}
