//! A cell of its own for each test, migrated, and dropped at the end, also when the test fails.
#![allow(dead_code, reason = "each test binary uses its own part of the support")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use domain::{
    Account, CartLine, Currency, Entry, GatewayOrderId, GatewayPaymentId, HoldId, LedgerKind,
    LedgerTransactionId, Money, OrderId, OrderStatus, PaymentId, PricedLine, PricedOrder, Role,
    Sku, TenantId, UserId,
};
use migrations::Cell;
use rust_decimal::Decimal;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres};
use store::captures::Fulfilled;
use store::ledger::{Posting, Subject};
use store::orders::{NewOrder, StatusChange};
use store::payments::{NewPayment, NotPaid, PaidBy};
use store::products::Product;
use store::stock::{HoldRequest, Taken};
use store::users::{NewUser, PasswordHash};
use store::{captures, ledger, orders, payments, products, stock, users};
use uuid::Uuid;

/// A migrated cell that nobody else uses.
pub struct TestDatabase {
    pub pool: PgPool,
    pub cell: Cell,
    pub url: String,
    pub user: UserId,
}

/// The server for tests, alive until this process ends.
pub fn server() -> String {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    SERVER
        .get_or_init(|| devpg::shared::url(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap())
        .base_url()
        .to_owned()
}

/// A name that no other test has.
pub fn unique_cell() -> Cell {
    Cell::new(&format!("t_{}", Uuid::now_v7().simple())).unwrap()
}

/// A fresh cell with one customer in it.
pub async fn test_database() -> TestDatabase {
    let url = server();
    let cell = unique_cell();
    let mut conn = PgConnection::connect(&url).await.unwrap();
    migrations::run(&mut conn, &cell).await.unwrap();
    let user = UserId::from(Uuid::now_v7());
    users::insert(
        &mut conn,
        &NewUser {
            user_id: user,
            tenant_id: tenant(),
            email: "buyer@example.test".to_owned(),
            password_hash: PasswordHash("hash".to_owned()),
            role: Role::Customer,
        },
    )
    .await
    .unwrap();
    let options = url
        .parse::<PgConnectOptions>()
        .unwrap()
        .application_name(cell.name())
        .options([("search_path", cell.name()), ("lock_timeout", "30s")]);
    let pool = PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_mins(1))
        .connect_with(options)
        .await
        .unwrap();
    TestDatabase { pool, cell, url, user }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        drop_cell(&self.url, &self.cell);
    }
}

/// Drops the cell from a thread of its own, because a test's runtime may be ending.
///
/// Ends the cell's connections first: a test that failed may have left a transaction open.
pub fn drop_cell(url: &str, cell: &Cell) {
    let (url, cell) = (url.to_owned(), cell.clone());
    let dropped = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut conn = PgConnection::connect(&url).await.unwrap();
            sqlx::query(
                "select pg_terminate_backend(pid)
                 from pg_stat_activity
                 where application_name = $1 and pid <> pg_backend_pid()",
            )
            .bind(cell.name())
            .execute(&mut conn)
            .await
            .unwrap();
            sqlx::query("set lock_timeout = '30s'").execute(&mut conn).await.unwrap();
            let sql = format!("drop schema if exists {cell} cascade");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        });
    });
    dropped.join().unwrap();
}

impl TestDatabase {
    pub async fn conn(&self) -> PoolConnection<Postgres> {
        self.pool.acquire().await.unwrap()
    }

    /// Runs one statement of the test's own making.
    pub async fn run(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await?;
        Ok(done.rows_affected())
    }

    /// Puts a product on sale.
    pub async fn product(&self, name: &str, units: i64) -> Sku {
        let mut conn = self.conn().await;
        let sku = sku(name);
        let product = Product {
            tenant_id: tenant(),
            sku: sku.clone(),
            name: format!("Product {name}"),
            unit_price: inr(1_000),
            is_active: true,
        };
        products::upsert(&mut conn, &product).await.unwrap();
        if units > 0 {
            let units = units.try_into().unwrap();
            stock::receive(&mut conn, &tenant(), &sku, units).await.unwrap();
        }
        sku
    }

    /// Places an order for these lines.
    pub async fn order(&self, lines: &[(&Sku, i64)]) -> OrderId {
        let order_id = OrderId::from(Uuid::now_v7());
        let lines = lines
            .iter()
            .map(|(sku, quantity)| PricedLine {
                sku: (*sku).clone(),
                name: sku.to_string(),
                unit_price: inr(1_000),
                quantity: (*quantity).try_into().unwrap(),
            })
            .collect();
        let priced = PricedOrder::price(lines, Currency::Inr, Decimal::ZERO).unwrap();
        let order = NewOrder {
            order_id,
            tenant_id: &tenant(),
            user_id: self.user,
            workflow_id: &format!("checkout/{order_id}/1"),
            idempotency_key: None,
            priced: &priced,
            expires_in: Duration::from_mins(30),
        };
        orders::insert(&mut *self.conn().await, &order, "test").await.unwrap();
        order_id
    }

    /// Asks for stock for an order.
    pub async fn hold(&self, order: OrderId, lines: &[(&Sku, i64)]) -> (HoldId, Taken) {
        let request = request(order, lines);
        let mut tx = self.pool.begin().await.unwrap();
        let mut taken = stock::take(&mut tx, std::slice::from_ref(&request)).await.unwrap();
        tx.commit().await.unwrap();
        (request.hold_id, taken.remove(0))
    }

    pub async fn move_to(&self, order: OrderId, to: OrderStatus) -> bool {
        let change =
            StatusChange { reason_code: Some("TEST"), ..StatusChange::new(order, to, "test") };
        let mut conn = self.conn().await;
        !orders::set_status(&mut conn, OrderStatus::ALL, &[change]).await.unwrap().is_empty()
    }

    /// An order for two units of a new product, held, paid and settled as a checkout does it.
    pub async fn settled(&self) -> Settled {
        let sku = self.product(&Uuid::now_v7().simple().to_string(), 10).await;
        let order = self.order(&[(&sku, 2)]).await;
        let (hold, taken) = self.hold(order, &[(&sku, 2)]).await;
        assert_eq!(taken, Taken::Held, "there is enough");
        assert!(self.move_to(order, OrderStatus::Reserved).await);
        let amount = inr(2_000);
        let names = GatewayNames::of(order);
        let mut tx = self.pool.begin().await.unwrap();
        let payment = payment(order, &names, amount);
        payments::insert_pending(&mut tx, &payment).await.unwrap();
        let change = StatusChange::new(order, OrderStatus::Paid, "test");
        let changed = orders::set_status(&mut tx, &[OrderStatus::Reserved], &[change]).await;
        assert_eq!(changed.unwrap(), [order]);
        assert_eq!(stock::finalise(&mut tx, &[hold]).await.unwrap(), [hold]);
        assert!(paid(&mut tx, payment.payment_id, &names.payment).await.unwrap());
        let capture = Fulfilled {
            gateway_payment_id: &names.payment,
            gateway_order_id: &names.order,
            order_id: order,
            amount,
        };
        assert_eq!(captures::fulfil(&mut tx, &[capture]).await.unwrap().len(), 1);
        let entries =
            [Entry::debit(Account::Gateway, amount), Entry::credit(Account::Sales, amount)];
        let posting = posting(order, LedgerKind::Capture, names.payment.as_str(), &entries);
        assert!(ledger::post(&mut tx, &posting).await.unwrap());
        tx.commit().await.unwrap();
        Settled { order, hold, sku, payment: payment.payment_id, names }
    }

    pub async fn violations(&self) -> Vec<store::audit::Violation> {
        store::audit::violations(&mut *self.conn().await).await.unwrap()
    }
}

/// What a settled checkout left behind.
pub struct Settled {
    pub order: OrderId,
    pub hold: HoldId,
    pub sku: Sku,
    pub payment: PaymentId,
    pub names: GatewayNames,
}

/// The gateway's ids for an order.
pub struct GatewayNames {
    pub order: GatewayOrderId,
    pub payment: GatewayPaymentId,
}

impl GatewayNames {
    pub fn of(order: OrderId) -> Self {
        Self {
            order: format!("order_{order}").parse().unwrap(),
            payment: format!("pay_{order}").parse().unwrap(),
        }
    }
}

/// Marks one payment as paid; whether that changed it.
pub async fn paid(
    conn: &mut PgConnection,
    payment_id: PaymentId,
    gateway_payment_id: &GatewayPaymentId,
) -> store::Result<bool> {
    let paid = PaidBy { payment_id, gateway_payment_id };
    Ok(!payments::mark_success(conn, &[paid]).await?.is_empty())
}

/// Marks an order's open payment as failed; whether there was one.
pub async fn declined(conn: &mut PgConnection, order_id: OrderId) -> store::Result<bool> {
    let failed = NotPaid { order_id, failure_code: "declined" };
    Ok(!payments::mark_failed(conn, &[failed]).await?.is_empty())
}

pub fn tenant() -> TenantId {
    "retail".parse().unwrap()
}

pub fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

pub fn inr(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Inr)
}

pub fn request(order: OrderId, lines: &[(&Sku, i64)]) -> HoldRequest {
    let lines = lines.iter().map(|(sku, quantity)| CartLine {
        sku: (*sku).clone(),
        quantity: (*quantity).try_into().unwrap(),
    });
    HoldRequest {
        hold_id: HoldId::from(Uuid::now_v7()),
        order_id: order,
        tenant_id: tenant(),
        expires_at: chrono::Utc::now() + Duration::from_mins(30),
        lines: CartLine::sorted(lines).unwrap(),
    }
}

pub fn payment(order: OrderId, names: &GatewayNames, amount: Money) -> NewPayment<'_> {
    static TENANT: OnceLock<TenantId> = OnceLock::new();
    NewPayment {
        payment_id: PaymentId::from(Uuid::now_v7()),
        tenant_id: TENANT.get_or_init(tenant),
        order_id: order,
        workflow_id: "checkout",
        gateway: "razorpay",
        gateway_order_id: &names.order,
        amount,
    }
}

pub fn posting<'a>(
    order: OrderId,
    kind: LedgerKind,
    payment_ref: &'a str,
    entries: &'a [Entry],
) -> Posting<'a> {
    static TENANT: OnceLock<TenantId> = OnceLock::new();
    Posting {
        ledger_transaction_id: LedgerTransactionId::from(Uuid::now_v7()),
        tenant_id: TENANT.get_or_init(tenant),
        subject: Subject::Order(order),
        kind,
        payment_ref,
        entries,
    }
}

/// The SQLSTATE of a refusal.
pub fn state(result: Result<u64, sqlx::Error>) -> Option<String> {
    let error = result.err()?;
    Some(error.as_database_error()?.code()?.into_owned())
}
