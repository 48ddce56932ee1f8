//! Very many buyers want the last units of one product: how fast are they told who gets one?
//! Their orders lie in the database before the clock starts; their sagas do not.

use std::time::Duration;

use activities::orders::PlacedOrder;
use domain::{
    CartLine, Currency, HoldId, Money, OrderId, PricedLine, PricedOrder, Role, Sku, TenantId,
    Terms, UserId,
};
use sqlx::{PgConnection, PgPool};
use store::orders::NewOrder;
use store::products::Product;
use store::users::{NewUser, PasswordHash};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::figures::{Percentiles, Rate, times};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::works::Decide;
use crate::{Error, Site, crowd, raw_rates};

/// Connections that place orders, before the clock starts.
const PLACERS: u64 = 4;
/// Orders placed in one transaction.
const BATCH: u64 = 250;

/// Who wants how much of what there is.
#[derive(Debug, Clone, Copy)]
pub struct Sale {
    /// Orders of one unit each.
    pub buyers: u64,
    /// Units in stock.
    pub units: u64,
}

/// Places all orders, then starts the saga of each and waits until every order is decided. `seen`
/// hears first of orders placed, then of orders decided.
///
/// # Errors
/// When not exactly the units there are were sold, or the database does not answer.
pub async fn measure(site: &Site, sale: Sale, seen: impl Fn(u64)) -> Result<Measured, Error> {
    let Sale { buyers, units } = sale;
    let one_row = raw_rates::one_row_sales(site).await?;
    let sku = open(&site.pool, units).await?;
    let orders = place_all(site, &sku, buyers, &seen).await?;
    sqlx::query("vacuum (analyze) orders, order_items").execute(&site.pool).await?;
    let meter = Meter::begin(site).await?;
    crowd::start::<Decide>(site, orders, |_| ()).await?;
    crowd::ended::<Decide>(&site.pool, |left| seen(buyers.saturating_sub(left))).await?;
    let costs = meter.end(site).await?;
    let sold = units.min(buyers);
    let found = decided(&site.pool, &sku).await?;
    let wanted = Decided {
        reserved: sold,
        refused: buyers.saturating_sub(sold),
        left: units.saturating_sub(sold),
    };
    if found != wanted {
        return Err(Error::Wrong(format!("the sale came to {found:?} instead of {wanted:?}")));
    }
    let rate = Rate { count: buyers, elapsed: costs.elapsed };
    Ok(Measured {
        work: "flash-sale",
        runs: buyers,
        runs_in_all: buyers,
        steps_per_run: 1,
        latency: Some(Percentiles::of(waits(&site.pool).await?)),
        costs,
        particular: [
            ("units", units.into()),
            ("sold", found.reserved.into()),
            ("refused", found.refused.into()),
            ("one_row_sales_per_s", one_row.bare.per_s().into()),
            ("one_row_kept_sales_per_s", one_row.kept.per_s().into()),
            ("runs_per_one_row_sale", times(rate.per_s(), one_row.bare.per_s()).into()),
            ("runs_per_one_row_kept_sale", times(rate.per_s(), one_row.kept.per_s()).into()),
        ]
        .into(),
    })
}

/// What a sale came to.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    reserved: u64,
    refused: u64,
    left: u64,
}

async fn decided(pool: &PgPool, sku: &Sku) -> Result<Decided, Error> {
    let (reserved, refused, left): (i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where o.status = 'RESERVED'),
           count(*) filter (where o.status = 'FAILED'),
           (select available from inventory where sku = $1)
         from orders o
         join order_items i on i.order_id = o.order_id
         where i.sku = $1",
    )
    .bind(sku.as_str())
    .fetch_one(pool)
    .await?;
    let [reserved, refused, left] = [reserved, refused, left].map(i64::cast_unsigned);
    Ok(Decided { reserved, refused, left })
}

/// How long each order was undecided, in the database's time.
async fn waits(pool: &PgPool) -> Result<Vec<Duration>, Error> {
    let micros: Vec<i64> = sqlx::query_scalar(
        "select (extract(epoch from ended_at - started_at) * 1000000)::bigint
         from runs
         where ended_at is not null",
    )
    .fetch_all(pool)
    .await?;
    Ok(micros.into_iter().map(|wait| Duration::from_micros(wait.cast_unsigned())).collect())
}

fn tenant() -> Result<TenantId, Error> {
    "retail".parse().map_err(|_| Error::Wrong("there is no tenant to sell".to_owned()))
}

/// Puts a product on sale.
async fn open(pool: &PgPool, units: u64) -> Result<Sku, Error> {
    let unfit = |what: &str| Error::Wrong(format!("the sale's {what} cannot be used"));
    let sku: Sku = Uuid::now_v7().simple().to_string().parse().map_err(|_| unfit("sku"))?;
    let mut conn = pool.acquire().await?;
    let product = Product {
        tenant_id: tenant()?,
        sku: sku.clone(),
        name: "the last units".to_owned(),
        unit_price: Money::from_minor(1_000, Currency::Inr),
        is_active: true,
    };
    store::products::upsert(&mut conn, &product).await?;
    let units = units.cast_signed().try_into().map_err(|_| unfit("units"))?;
    store::stock::receive(&mut conn, &tenant()?, &sku, units).await?;
    Ok(sku)
}

async fn place_all(
    site: &Site,
    sku: &Sku,
    buyers: u64,
    seen: impl Fn(u64),
) -> Result<Vec<PlacedOrder>, Error> {
    let user_id = UserId::from(Uuid::now_v7());
    let user = NewUser {
        user_id,
        tenant_id: tenant()?,
        email: format!("{user_id}@example.test"),
        password_hash: PasswordHash("none".to_owned()),
        role: Role::Customer,
    };
    store::users::insert(&mut *site.pool.acquire().await?, &user).await?;
    let pool = site.database.pool("makegood-bench-placers", 4).await?;
    let mut placers = JoinSet::new();
    for placer in 0..PLACERS {
        let orders = buyers / PLACERS + u64::from(placer < buyers % PLACERS);
        placers.spawn(place(pool.clone(), user_id, sku.clone(), orders));
    }
    let mut placed = Vec::new();
    while let Some(orders) = placers.join_next().await {
        placed.extend(orders??);
        seen(u64::try_from(placed.len()).unwrap_or_default());
    }
    pool.close().await;
    Ok(placed)
}

async fn place(
    pool: PgPool,
    user_id: UserId,
    sku: Sku,
    orders: u64,
) -> Result<Vec<PlacedOrder>, Error> {
    let mut placed = Vec::new();
    let mut left = orders;
    while left > 0 {
        let batch = left.min(BATCH);
        let mut tx = pool.begin().await?;
        for _ in 0..batch {
            placed.push(place_one(&mut tx, user_id, &sku).await?);
        }
        tx.commit().await?;
        left = left.saturating_sub(batch);
    }
    Ok(placed)
}

async fn place_one(
    tx: &mut PgConnection,
    user_id: UserId,
    sku: &Sku,
) -> Result<PlacedOrder, Error> {
    let (order_id, tenant_id) = (OrderId::from(Uuid::now_v7()), tenant()?);
    let unfit = |what: &str| Error::Wrong(format!("the order's {what} cannot be used"));
    let quantity = 1.try_into().map_err(|_| unfit("quantity"))?;
    let line = PricedLine {
        sku: sku.clone(),
        name: sku.to_string(),
        unit_price: Money::from_minor(1_000, Currency::Inr),
        quantity,
    };
    let priced = PricedOrder::price(vec![line], Currency::Inr, rust_decimal::Decimal::ZERO)
        .map_err(|_| unfit("price"))?;
    let new = NewOrder {
        order_id,
        tenant_id: &tenant_id,
        user_id,
        workflow_id: &order_id.to_string(),
        idempotency_key: None,
        priced: &priced,
        expires_in: Duration::from_hours(1),
    };
    let placed = store::orders::insert(tx, &new, "bench").await?;
    let lines = vec![CartLine { sku: sku.clone(), quantity }];
    Ok(PlacedOrder::of(&placed, HoldId::from(Uuid::now_v7()), lines, Terms::default()))
}
