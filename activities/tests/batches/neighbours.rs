//! What does not fit is answered for itself; its neighbours in the batch are served.

use activities::settlement::SettlePayment;
use activities::stock::ReserveStock;
use makegood::{Activity, ActivityError};

use crate::together::shown;
use crate::world::{World, hold};

#[tokio::test]
async fn a_batch_serves_whoever_comes_first_and_refuses_the_rest_wholly() {
    let mut world = World::new().await;
    let (a, b) = (world.product("a", 3).await, world.product("b", 9).await);
    let orders = [
        world.place(&[(&a, 2), (&b, 1)]).await,
        world.place(&[(&a, 2), (&b, 1)]).await,
        world.place(&[(&a, 1), (&b, 1)]).await,
        world.place(&[(&b, 1)]).await,
    ];
    let mut holds: Vec<_> = orders.iter().map(hold).collect();
    holds.push(holds[3].clone());
    let answers = ReserveStock.run(&mut world.conn, holds).await.unwrap();
    let refused = |place: usize| match &answers[place] {
        Err(ActivityError::Rejected { code, .. }) => code.to_string(),
        other => format!("{other:?}"),
    };
    assert!(answers[0].is_ok() && answers[2].is_ok() && answers[3].is_ok(), "{answers:?}");
    assert!(refused(1) == "OUT_OF_STOCK", "too few: {answers:?}");
    assert!(refused(4) == "ORDER_NOT_PENDING", "twice: {answers:?}");
    let left = "select string_agg(sku || available || reserved, ' ' order by sku) from inventory";
    assert_eq!(world.scalar(left).await, "a03 b63", "what was refused holds no half");
    let pending = "select string_agg(order_id::text, ' ') from orders where status = 'PENDING'";
    assert_eq!(world.scalar(pending).await, orders[1].order_id.to_string());
    world.end().await;
}

#[tokio::test]
async fn a_settlement_that_does_not_fit_is_for_a_person_and_the_others_are_made() {
    let mut world = World::new().await;
    let sku = world.product("a", 100).await;
    let mut settlements = Vec::new();
    for _ in 0..6 {
        let order = world.place(&[(&sku, 1)]).await;
        let held = ReserveStock.run(&mut world.conn, vec![hold(&order)]).await.unwrap();
        assert!(held[0].is_ok(), "{held:?}");
        settlements.push(world.await_payment(&order).await);
    }
    let [_, unheld, unpaid, other, ..] = &settlements[..] else { unreachable!() };
    let planted = [
        format!(
            "update holds set state = 'RELEASED', ended_at = now() where order_id = '{}'",
            unheld.session.order.order_id
        ),
        format!(
            "update payments set status = 'FAILED' where order_id = '{}'",
            unpaid.session.order.order_id
        ),
        format!(
            "update payments set currency = 'USD' where order_id = '{}'",
            other.session.order.order_id
        ),
    ];
    for planted in &planted {
        world.run(planted).await;
    }
    let answers = SettlePayment.run(&mut world.conn, settlements).await.unwrap();
    let answers = shown(answers);
    for (place, what) in [
        (1, "the order's stock is not held"),
        (2, "the payment is not awaited"),
        (3, "the payment is over another amount"),
    ] {
        let review = format!("Err(Review {{ class: \"unsettled_payment\", message: \"{what}\" }})");
        assert_eq!(answers[place], review, "it is for a person");
    }
    let seen = "select concat_ws(' ',
        (select count(*) from orders where status = 'PAID'),
        (select count(*) from holds where state = 'FINALISED'),
        (select count(*) from payments where status = 'SUCCESS'),
        (select count(*) from gateway_captures where disposition = 'FULFILLED'),
        (select count(*) from ledger_transactions),
        (select sum(debit_minor) - sum(credit_minor) from ledger_entries),
        (select sold from inventory))";
    assert_eq!(world.scalar(seen).await, "3 3 3 3 3 0 3", "the other three, and nothing else");
    world.end().await;
}
