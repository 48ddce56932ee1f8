//! Random shops: what a batch does is what its inputs do one after the other.

use activities::orders::{CloseOrder, PlacedOrder};
use activities::settlement::{SettlePayment, Settlement};
use activities::stock::{ReleaseStock, ReserveStock};
use makegood::{Cause, MadeGood, Rejection, Undoes};
use serde_json::json;

use crate::chance::Chance;
use crate::together::same;
use crate::world::{World, hold, inr, settlement};

/// Orders of one or two of three scarce products; some stand where no hold may be taken.
async fn orders(world: &mut World, chance: &mut Chance, case: u64) -> Vec<PlacedOrder> {
    let mut skus = Vec::new();
    for name in ["a", "b", "c"] {
        skus.push(world.product(&format!("{name}{case}"), chance.below(9)).await);
    }
    let mut orders = Vec::new();
    for _ in 0..10 {
        let first = usize::try_from(chance.below(3)).unwrap();
        let mut lines = vec![(&skus[first], 1 + i64::try_from(chance.below(3)).unwrap())];
        if chance.once_in(2) {
            lines.push((&skus[(first + 1) % 3], 1));
        }
        let order = world.place(&lines).await;
        if chance.once_in(6) {
            let id = order.order_id;
            let to = if chance.once_in(2) { "RESERVED" } else { "CANCELLED" };
            world.run(&format!("update orders set status = '{to}' where order_id = '{id}'")).await;
        }
        orders.push(order);
    }
    orders
}

/// Payments of these orders, and all that may stand against settling one.
async fn settlements(
    world: &mut World,
    chance: &mut Chance,
    orders: &[PlacedOrder],
) -> Vec<Settlement> {
    let mut settlements: Vec<Settlement> = Vec::new();
    for order in orders {
        let mut wanted =
            if chance.once_in(8) { settlement(order) } else { world.await_payment(order).await };
        let (order, payment) = (order.order_id, &wanted.paid.gateway_payment_id);
        let planted = match chance.below(14) {
            0 => format!(
                "insert into gateway_captures (gateway_payment_id, gateway_order_id, order_id,
                                               amount_minor, currency, disposition, refund_id)
                 values ('{payment}', 'order_x', '{order}', 1, 'INR', 'REFUNDED', '{order}')"
            ),
            1 => format!(
                "insert into gateway_captures (gateway_payment_id, gateway_order_id, order_id,
                                               amount_minor, currency)
                 values ('{payment}', 'order_x', gen_random_uuid(), 1, 'INR')"
            ),
            2 => format!(
                "insert into gateway_captures (gateway_payment_id, gateway_order_id,
                                               amount_minor, currency, disposition)
                 values ('{payment}', 'order_x', 1, 'INR', 'REVIEW')"
            ),
            3 => format!(
                "insert into ledger_transactions (ledger_transaction_id, tenant_id, order_id, kind,
                                                  payment_ref)
                 values (gen_random_uuid(), 'retail', '{order}', 'CAPTURE', '{payment}')"
            ),
            4 => format!(
                "update payments set status = 'FAILED', failure_code = 'x'
                 where order_id = '{order}'"
            ),
            5 => format!("update payments set amount_minor = 1 where order_id = '{order}'"),
            _ => "select 1".to_owned(),
        };
        world.run(&planted).await;
        match chance.below(14) {
            0 => wanted.paid.amount = inr(7),
            1 => wanted.session.order.hold_id = uuid::Uuid::now_v7().into(),
            2 => wanted.session.gateway_order_id = "order_of_nobody".parse().unwrap(),
            3 if !settlements.is_empty() => wanted.paid = settlements[0].paid.clone(),
            4 => settlements.push(wanted.clone()),
            _ => {}
        }
        settlements.push(wanted);
    }
    settlements
}

fn undoing(orders: &[PlacedOrder]) -> Vec<Undoes<ReserveStock>> {
    let all = orders.iter().chain(orders.first());
    let undo = |order| Undoes { idempotency_key: String::new(), input: hold(order), output: None };
    all.map(undo).collect()
}

fn made_good(orders: &[PlacedOrder]) -> Vec<MadeGood<PlacedOrder>> {
    let all = orders.iter().chain(orders.first()).zip(0..);
    let ended = |(order, place): (&PlacedOrder, i32)| MadeGood {
        input: order.clone(),
        cause: match place % 4 {
            0 => Cause::MadeGood { reason: json!({ "reason": "payment_failed", "why": "x" }) },
            1 => Cause::Cancelled { reason: json!({ "no": "request" }) },
            2 => Cause::Cancelled { reason: json!({ "actor": "x", "reason": "y" }) },
            _ => Cause::Rejected(Rejection {
                step: "reserve_stock".to_owned(),
                code: "OUT_OF_STOCK".to_owned(),
                message: format!("place {place}"),
            }),
        },
        undone: Vec::new(),
    };
    all.map(ended).collect()
}

#[tokio::test]
async fn a_batch_does_what_its_inputs_do_one_after_the_other() {
    let mut world = World::new().await;
    for case in 1..=25 {
        let (name, mut chance) = (format!("case {case}"), Chance::of(case));
        let orders = orders(&mut world, &mut chance, case).await;
        let holds: Vec<_> = orders.iter().map(hold).collect();
        same(&mut world.conn, &ReserveStock, &holds, &name).await;
        let settlements = settlements(&mut world, &mut chance, &orders).await;
        same(&mut world.conn, &SettlePayment, &settlements, &name).await;
        same(&mut world.conn, &ReleaseStock, &undoing(&orders), &name).await;
        same(&mut world.conn, &CloseOrder, &made_good(&orders), &name).await;
    }
    let seen = "select string_agg(distinct status, ' ' order by status) from orders";
    let seen = world.scalar(seen).await;
    assert_eq!(seen, "CANCELLED FAILED PAID PENDING RESERVED", "each end was reached");
    world.end().await;
}
