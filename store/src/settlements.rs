//! What stands for and against settling payments: order, hold, payment, capture, ledger.
//! Never a change: each table's own file writes it.

use domain::{
    Disposition, GatewayOrderId, GatewayPaymentId, HoldId, HoldState, Money, OrderId, OrderStatus,
    PaymentId, PaymentStatus,
};
use uuid::Uuid;

use crate::{Conn, Result, row};

/// An order that a gateway's payment is to pay.
#[derive(Clone, Copy, Debug)]
pub struct Settling<'a> {
    /// The order.
    pub order_id: OrderId,
    /// The hold on its stock.
    pub hold_id: HoldId,
    /// The gateway's order.
    pub gateway_order_id: &'a GatewayOrderId,
    /// The gateway's payment.
    pub gateway_payment_id: &'a GatewayPaymentId,
}

/// How an order stands that is to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The order's status.
    pub status: OrderStatus,
    /// What became of its hold; none when the order has no such hold.
    pub hold: Option<HoldState>,
    /// Its payment for the gateway's order, unless that has failed.
    pub payment: Option<Awaited>,
    /// What became of the captured payment, if it was learned of before.
    pub disposition: Option<Disposition>,
    /// Whether the captured payment belongs to another order.
    pub is_anothers: bool,
    /// Whether the ledger has the captured payment.
    pub is_posted: bool,
}

/// A payment of an order, as it was asked of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The payment's id.
    pub payment_id: PaymentId,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much.
    pub amount: Money,
}

/// How each of these stands, in their order; none for an order that does not exist.
///
/// Nothing changes before the transaction ends if the orders are locked (see `orders::lock`): a
/// checkout changes what belongs to an order under that lock alone.
pub async fn look(
    conn: &mut Conn,
    gateway: &str,
    settling: &[Settling<'_>],
) -> Result<Vec<Option<Standing>>> {
    let orders: Vec<Uuid> = settling.iter().map(|s| s.order_id.as_uuid()).collect();
    let holds: Vec<Uuid> = settling.iter().map(|s| s.hold_id.as_uuid()).collect();
    let at_gateway: Vec<&str> = settling.iter().map(|s| s.gateway_order_id.as_str()).collect();
    let paid_by: Vec<&str> = settling.iter().map(|s| s.gateway_payment_id.as_str()).collect();
    let rows = sqlx::query(
        "select o.status, h.state as hold, p.payment_id, p.status as payment, p.amount_minor,
                p.currency, c.disposition, c.order_id <> o.order_id as is_anothers,
                t.ledger_transaction_id is not null as is_posted
         from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) with ordinality
           as s (order_id, hold_id, gateway_order_id, gateway_payment_id, place)
         left join orders o on o.order_id = s.order_id
         left join holds h on h.hold_id = s.hold_id and h.order_id = s.order_id
         left join payments p
           on p.gateway = $1 and p.gateway_order_id = s.gateway_order_id
           and p.order_id = s.order_id and not p.stray and p.status <> 'FAILED'
         left join gateway_captures c on c.gateway_payment_id = s.gateway_payment_id
         left join ledger_transactions t
           on t.payment_ref = s.gateway_payment_id and t.kind = 'CAPTURE'
         order by s.place",
    )
    .bind(gateway)
    .bind(orders)
    .bind(holds)
    .bind(at_gateway)
    .bind(paid_by)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Option<Standing>> {
    let Some(status) = row::maybe_word(row, "status")? else { return Ok(None) };
    let payment = match row::maybe_id(row, "payment_id")? {
        Some(payment_id) => Some(Awaited {
            payment_id,
            status: row::word(row, "payment")?,
            amount: row::money(row, "amount_minor")?,
        }),
        None => None,
    };
    Ok(Some(Standing {
        status,
        hold: row::maybe_word(row, "hold")?,
        payment,
        disposition: row::maybe_word(row, "disposition")?,
        is_anothers: row::get::<Option<bool>>(row, "is_anothers")?.unwrap_or(false),
        is_posted: row::get(row, "is_posted")?,
    }))
}
