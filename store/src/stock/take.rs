//! Takes holds on stock, for one order or for hundreds at once, each of them whole or not at all.
//! Never a deadlock: the rows of all SKUs are locked first, in the order of their keys.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{CartLine, HoldId, OrderId, Sku, TenantId};

use crate::holds::{self, NewHold};
use crate::{Conn, Result, row};

/// Stock that one attempt at an order wants.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The hold's id; the same id never takes stock twice.
    pub hold_id: HoldId,
    /// The order.
    pub order_id: OrderId,
    /// The shop.
    pub tenant_id: TenantId,
    /// Until when the stock is wanted.
    pub expires_at: DateTime<Utc>,
    /// What is wanted, each SKU once (see `CartLine::sorted`).
    pub lines: Vec<CartLine>,
}

/// A line for which there is too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLine {
    /// The product.
    pub sku: Sku,
    /// Units wanted.
    pub wanted: i64,
    /// Units available at that moment.
    pub available: i64,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All lines are held now.
    Held,
    /// A hold of this id exists; nothing was moved.
    AlreadyKnown,
    /// Nothing was moved, because of these lines.
    Short(Vec<ShortLine>),
}

type StockKey = (String, String);

/// Holds each request wholly or not at all, first come first served, with one set of statements.
///
/// Answers in the order of `requests`.
///
/// # Errors
/// `Conflict` when one of the orders has another live hold.
pub async fn take(conn: &mut Conn, requests: &[HoldRequest]) -> Result<Vec<Taken>> {
    let mut locked = lock(conn, requests).await?;
    let mut known = holds::known(conn, requests.iter().map(|r| r.hold_id)).await?;
    let mut answers = Vec::with_capacity(requests.len());
    let mut held = Vec::new();
    for request in requests {
        let answer = if known.contains(&request.hold_id) {
            Taken::AlreadyKnown
        } else {
            reserve(&mut locked.available, request)
        };
        if answer == Taken::Held {
            known.insert(request.hold_id);
            held.push(request);
        }
        answers.push(answer);
    }
    if let Some(at) = locked.at.filter(|_| !held.is_empty()) {
        write(conn, &held, at).await?;
    }
    Ok(answers)
}

/// What is available under the locks, and the time on the database's clock.
struct Locked {
    available: BTreeMap<StockKey, i64>,
    at: Option<DateTime<Utc>>,
}

async fn lock(conn: &mut Conn, requests: &[HoldRequest]) -> Result<Locked> {
    let keys: BTreeSet<(&str, &str)> = requests
        .iter()
        .flat_map(|r| r.lines.iter().map(|l| (r.tenant_id.as_str(), l.sku.as_str())))
        .collect();
    let (tenants, skus): (Vec<&str>, Vec<&str>) = keys.into_iter().unzip();
    let rows = sqlx::query(
        "select i.tenant_id, i.sku, i.available, now() as at
         from inventory i
         join unnest($1::text[], $2::text[]) as wanted (tenant_id, sku)
           on i.tenant_id = wanted.tenant_id and i.sku = wanted.sku
         order by i.tenant_id, i.sku
         for update of i",
    )
    .bind(tenants)
    .bind(skus)
    .fetch_all(conn)
    .await?;
    let mut locked = Locked { available: BTreeMap::new(), at: None };
    for row in &rows {
        let key = (row::get(row, "tenant_id")?, row::get(row, "sku")?);
        locked.available.insert(key, row::get(row, "available")?);
        locked.at = Some(row::get(row, "at")?);
    }
    Ok(locked)
}

/// Takes the request out of `available` if all of it fits.
fn reserve(available: &mut BTreeMap<StockKey, i64>, request: &HoldRequest) -> Taken {
    let key = |sku: &Sku| (request.tenant_id.as_str().to_owned(), sku.as_str().to_owned());
    let short: Vec<ShortLine> = request
        .lines
        .iter()
        .map(|line| ShortLine {
            sku: line.sku.clone(),
            wanted: line.quantity.get(),
            available: available.get(&key(&line.sku)).copied().unwrap_or(0),
        })
        .filter(|line| line.available < line.wanted)
        .collect();
    if !short.is_empty() || request.lines.is_empty() {
        return Taken::Short(short);
    }
    for line in &request.lines {
        if let Some(left) = available.get_mut(&key(&line.sku)) {
            *left -= line.quantity.get();
        }
    }
    Taken::Held
}

async fn write(conn: &mut Conn, held: &[&HoldRequest], at: DateTime<Utc>) -> Result<()> {
    let new: Vec<NewHold<'_>> = held
        .iter()
        .map(|r| NewHold {
            hold_id: r.hold_id,
            order_id: r.order_id,
            tenant_id: &r.tenant_id,
            expires_at: r.expires_at,
            lines: &r.lines,
        })
        .collect();
    holds::insert(conn, &new, at).await?;
    let holds: Vec<_> = held.iter().map(|r| r.hold_id.as_uuid()).collect();
    sqlx::query(
        "update inventory i
         set available = i.available - wanted.quantity,
             reserved = i.reserved + wanted.quantity
         from (
           select h.tenant_id, l.sku, sum(l.quantity)::bigint as quantity
           from holds h
           join hold_lines l on l.hold_id = h.hold_id
           where h.hold_id = any($1)
           group by h.tenant_id, l.sku
         ) wanted
         where i.tenant_id = wanted.tenant_id and i.sku = wanted.sku",
    )
    .bind(&holds)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into stock_movements (tenant_id, sku, hold_id, kind, available_delta,
                                      reserved_delta, at)
         select h.tenant_id, l.sku, h.hold_id, 'RESERVE', -l.quantity, l.quantity, h.created_at
         from holds h
         join hold_lines l on l.hold_id = h.hold_id
         where h.hold_id = any($1)",
    )
    .bind(&holds)
    .execute(conn)
    .await?;
    Ok(())
}
