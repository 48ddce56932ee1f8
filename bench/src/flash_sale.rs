//! How fast one worker decides who gets the last units of one SKU, singly and in batches.
//! Leaves out the gateway: a run ends with its hold, or closed because there was none left.

use std::time::{Duration, Instant};

use activities::orders::{CloseOrder, PlacedOrder};
use activities::stock::{Hold, ReserveStock};
use domain::{
    CartLine, Currency, HoldId, Money, OrderId, PricedLine, PricedOrder, Role, Sku, TenantId,
    Terms, UserId,
};
use makegood::{
    Activity, ActivityResult, Client, Closing, Ctx, Database, InTransaction, Registry, Worker,
    WorkerConfig, Workflow, WorkflowResult,
};
use sqlx::{PgConnection, PgPool};
use store::orders::NewOrder;
use store::products::Product;
use store::users::{NewUser, PasswordHash};
use uuid::Uuid;

use crate::backlog::Error;

/// The shop's own first step for one run alone.
struct ReserveSingly;

impl Activity for ReserveSingly {
    const NAME: &'static str = "reserve_singly";
    type Kind = InTransaction;
    type Input = Hold;
    type Output = HoldId;

    async fn run(&self, tx: &mut PgConnection, hold: Hold) -> ActivityResult<HoldId> {
        let mut answers = ReserveStock.run(tx, vec![hold]).await?;
        answers.pop().unwrap_or_else(|| Err(makegood::ActivityError::retryable("no answer")))
    }
}

/// How the holds are taken.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// Each in a transaction of its own.
    Singly,
    /// As the shop does it.
    InBatches,
}

struct DecideSingly;

impl Workflow for DecideSingly {
    const NAME: &'static str = "bench_decide_singly";
    type Input = PlacedOrder;
    type Output = HoldId;

    async fn run(ctx: Ctx, order: PlacedOrder) -> WorkflowResult<HoldId> {
        ctx.step::<ReserveSingly>(&hold(order)).await
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseOrder>())
    }
}

struct DecideInBatches;

impl Workflow for DecideInBatches {
    const NAME: &'static str = "bench_decide_in_batches";
    type Input = PlacedOrder;
    type Output = HoldId;

    async fn run(ctx: Ctx, order: PlacedOrder) -> WorkflowResult<HoldId> {
        ctx.step::<ReserveStock>(&hold(order)).await
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<CloseOrder>())
    }
}

fn hold(order: PlacedOrder) -> Hold {
    Hold {
        order_id: order.order_id,
        tenant_id: order.tenant_id,
        hold_id: order.hold_id,
        lines: order.lines,
        expires_at: order.expires_at,
    }
}

/// What a sale came to.
#[derive(Debug, Clone, Copy)]
pub struct Sale {
    /// From the worker's start until no order was undecided.
    pub elapsed: Duration,
    /// Orders that got their units.
    pub reserved: i64,
    /// Orders that did not.
    pub failed: i64,
}

/// Queues checkouts of one unit each, then times one worker until every order is decided.
pub async fn decide(
    database: &Database,
    how: How,
    (buyers, units): (u32, i64),
) -> Result<Sale, Error> {
    let pool = database.pool("bench", 2).await?;
    let sku = open_sale(&pool, units).await?;
    queue(&Client::connect(database).await?, &pool, how, &sku, buyers).await?;
    let registry = Registry::new()
        .workflow::<DecideSingly>()
        .workflow::<DecideInBatches>()
        .activity(ReserveSingly)
        .activity(ReserveStock)
        .activity(CloseOrder);
    let begun = Instant::now();
    let worker = Worker::start(database, registry, WorkerConfig::default()).await?;
    let open = "select exists (select 1 from orders where status = 'PENDING')";
    while sqlx::query_scalar::<_, bool>(open).fetch_one(&pool).await? {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let elapsed = begun.elapsed();
    worker.drain().await?;
    let decided = "select count(*) filter (where o.status = 'RESERVED'),
                          count(*) filter (where o.status = 'FAILED')
                   from orders o join order_items i on i.order_id = o.order_id where i.sku = $1";
    let (reserved, failed) = sqlx::query_as(decided).bind(sku.as_str()).fetch_one(&pool).await?;
    Ok(Sale { elapsed, reserved, failed })
}

fn tenant() -> Result<TenantId, Error> {
    "retail".parse().map_err(|_| Error::Setting("tenant"))
}

async fn open_sale(pool: &PgPool, units: i64) -> Result<Sku, Error> {
    let sku: Sku =
        Uuid::now_v7().simple().to_string().parse().map_err(|_| Error::Setting("sku"))?;
    let mut conn = pool.acquire().await?;
    let product = Product {
        tenant_id: tenant()?,
        sku: sku.clone(),
        name: "the last units".to_owned(),
        unit_price: Money::from_minor(1_000, Currency::Inr),
        is_active: true,
    };
    store::products::upsert(&mut conn, &product).await?;
    let units = units.try_into().map_err(|_| Error::Setting("units"))?;
    store::stock::receive(&mut conn, &tenant()?, &sku, units).await?;
    Ok(sku)
}

async fn queue(
    client: &Client,
    pool: &PgPool,
    how: How,
    sku: &Sku,
    buyers: u32,
) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    let user_id = UserId::from(Uuid::now_v7());
    let user = NewUser {
        user_id,
        tenant_id: tenant()?,
        email: format!("{user_id}@example.test"),
        password_hash: PasswordHash("none".to_owned()),
        role: Role::Customer,
    };
    store::users::insert(&mut tx, &user).await?;
    for _ in 0..buyers {
        let order = place(&mut tx, user_id, sku).await?;
        let name = order.order_id.to_string();
        match how {
            How::Singly => client.start::<DecideSingly>(&mut tx, &name, &order).await?,
            How::InBatches => client.start::<DecideInBatches>(&mut tx, &name, &order).await?,
        };
    }
    tx.commit().await?;
    sqlx::query("analyze").execute(pool).await?;
    sqlx::query("checkpoint").execute(pool).await?;
    Ok(())
}

async fn place(tx: &mut PgConnection, user_id: UserId, sku: &Sku) -> Result<PlacedOrder, Error> {
    let (order_id, tenant_id) = (OrderId::from(Uuid::now_v7()), tenant()?);
    let quantity = 1.try_into().map_err(|_| Error::Setting("quantity"))?;
    let line = PricedLine {
        sku: sku.clone(),
        name: sku.to_string(),
        unit_price: Money::from_minor(1_000, Currency::Inr),
        quantity,
    };
    let priced = PricedOrder::price(vec![line], Currency::Inr, rust_decimal::Decimal::ZERO)
        .map_err(|_| Error::Setting("price"))?;
    let new = NewOrder {
        order_id,
        tenant_id: &tenant_id,
        user_id,
        workflow_id: &order_id.to_string(),
        idempotency_key: None,
        priced: &priced,
        expires_in: Duration::from_mins(30),
    };
    let placed = store::orders::insert(tx, &new, "bench").await?;
    let lines = vec![CartLine { sku: sku.clone(), quantity }];
    Ok(PlacedOrder::of(&placed, HoldId::from(Uuid::now_v7()), lines, Terms::default()))
}
