//! What a comparison looks at, a page at a time. Never locks and never changes anything.

use std::collections::BTreeSet;

use domain::{GatewayOrderId, GatewayPaymentId, HoldId, OrderId, PaymentId};
use serde::{Deserialize, Serialize};

use crate::{Conn, Result, row};

/// A payment that an order still waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// The payment.
    pub payment_id: PaymentId,
    /// The workflow that waits for it.
    pub workflow_id: String,
    /// The order's name at the gateway.
    pub gateway_order_id: GatewayOrderId,
}

/// Unpaid payments older than `age_secs`, in the order of their ids, after one of them.
pub async fn awaited_payments(
    conn: &mut Conn,
    age_secs: i64,
    after: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Awaited>> {
    let rows = sqlx::query(
        "select p.payment_id, p.workflow_id, p.gateway_order_id
         from payments p
         where p.status = 'PENDING' and not p.stray
           and p.created_at <= now() - $1 * interval '1 second'
           and ($2::uuid is null or p.payment_id > $2)
         order by p.payment_id
         limit $3",
    )
    .bind(age_secs)
    .bind(after.map(PaymentId::as_uuid))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|found| {
            Ok(Awaited {
                payment_id: row::id(found, "payment_id")?,
                workflow_id: row::get(found, "workflow_id")?,
                gateway_order_id: row::word(found, "gateway_order_id")?,
            })
        })
        .collect()
}

/// Those captured payments of the gateway that our books do not have.
pub async fn unknown_captures(
    conn: &mut Conn,
    captured: &[GatewayPaymentId],
) -> Result<BTreeSet<GatewayPaymentId>> {
    let ids: Vec<&str> = captured.iter().map(GatewayPaymentId::as_str).collect();
    let rows = sqlx::query(
        "select gateway_payment_id
         from gateway_captures
         where gateway_payment_id = any($1)",
    )
    .bind(&ids)
    .fetch_all(conn)
    .await?;
    let known = rows.iter().map(|found| row::word(found, "gateway_payment_id"));
    let known: BTreeSet<GatewayPaymentId> = known.collect::<Result<_>>()?;
    Ok(captured.iter().filter(|id| !known.contains(id)).cloned().collect())
}

/// Something that the gateway names: an order of its own, or our receipt.
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// Its order.
    GatewayOrder(&'a GatewayOrderId),
    /// The order that its receipt is made of.
    Order(OrderId),
}

/// Whose a payment at the gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The order.
    pub order_id: OrderId,
    /// The workflow of the attempt that the payment is for, as far as that is known.
    pub workflow_id: String,
    /// Whether it still waits for this payment.
    pub is_waiting: bool,
}

/// The order that each of these is about, if it is one of ours.
pub async fn owners(conn: &mut Conn, seen: &[Seen<'_>]) -> Result<Vec<Option<Owner>>> {
    let mut owners = Vec::with_capacity(seen.len());
    for one in seen {
        let (gateway_order, order) = match one {
            Seen::GatewayOrder(id) => (Some(id.as_str()), None),
            Seen::Order(id) => (None, Some(id.as_uuid())),
        };
        let found = sqlx::query(
            "select o.order_id, coalesce(p.workflow_id, o.workflow_id) as workflow_id,
                    coalesce(p.status = 'PENDING', o.status in ('PENDING', 'RESERVED'))
                      as is_waiting
             from orders o
             left join payments p on p.order_id = o.order_id and p.gateway_order_id = $1
             where o.order_id = coalesce($2, (
               select known.order_id
               from payments known
               where known.gateway_order_id = $1
               limit 1))
             order by p.stray, p.status = 'FAILED', p.created_at desc
             limit 1",
        )
        .bind(gateway_order)
        .bind(order)
        .fetch_optional(&mut *conn)
        .await?;
        let owner: Option<Result<Owner>> = found.map(|found| {
            Ok(Owner {
                order_id: row::id(&found, "order_id")?,
                workflow_id: row::get(&found, "workflow_id")?,
                is_waiting: row::get(&found, "is_waiting")?,
            })
        });
        owners.push(owner.transpose()?);
    }
    Ok(owners)
}

/// Holds of orders that have ended without being sold: nobody will release them.
pub async fn leftover_holds(conn: &mut Conn, limit: i64) -> Result<Vec<HoldId>> {
    let rows = sqlx::query(
        "select h.hold_id
         from holds h
         join orders o on o.order_id = h.order_id
         where h.state = 'HELD' and o.status in ('FAILED', 'CANCELLED', 'EXPIRED')
         order by h.hold_id
         limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|found| row::id(found, "hold_id")).collect()
}

/// Waiting orders that no live run carries: nothing will ever end them.
pub async fn orders_without_run(conn: &mut Conn, limit: i64) -> Result<Vec<OrderId>> {
    waiting(
        conn,
        "select o.order_id
         from tenants t
         join orders o on o.tenant_id = t.tenant_id and o.status in ('PENDING', 'RESERVED')
         where not exists (
           select from run_states s
           where s.workflow = 'checkout' and s.workflow_id = o.workflow_id and s.ended_at is null)
         order by o.order_id
         limit $1",
        limit,
    )
    .await
}

/// Orders that still wait, ten minutes and more after their deadline, though a run carries them.
pub async fn late_orders(conn: &mut Conn, limit: i64) -> Result<Vec<OrderId>> {
    waiting(
        conn,
        "select o.order_id
         from tenants t
         join orders o on o.tenant_id = t.tenant_id and o.status in ('PENDING', 'RESERVED')
         where o.expires_at < now() - interval '10 minutes'
           and exists (
             select from run_states s
             where s.workflow = 'checkout' and s.workflow_id = o.workflow_id
               and s.ended_at is null)
         order by o.order_id
         limit $1",
        limit,
    )
    .await
}

async fn waiting(conn: &mut Conn, sql: &'static str, limit: i64) -> Result<Vec<OrderId>> {
    let rows = sqlx::query(sql).bind(limit).fetch_all(conn).await?;
    rows.iter().map(|found| row::id::<OrderId>(found, "order_id")).collect()
}
