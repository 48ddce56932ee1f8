//! A cell with a shop in it: orders, holds and payments to try the activities on.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use activities::orders::PlacedOrder;
use activities::payments::{GATEWAY, Paid, Session};
use activities::settlement::Settlement;
use activities::stock::Hold;
use domain::{
    CartLine, Currency, HoldId, Money, OrderId, PaymentId, PricedLine, PricedOrder, Role, Sku,
    TenantId, Terms, UserId,
};
use migrations::Cell;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use store::orders::NewOrder;
use store::payments::NewPayment;
use store::products::Product;
use store::users::{NewUser, PasswordHash};
use uuid::Uuid;

/// A cell of a test's own, on one connection.
pub(crate) struct World {
    pub(crate) conn: PgConnection,
    user: UserId,
}

impl World {
    pub(crate) async fn new() -> Self {
        static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
        let server = SERVER.get_or_init(|| {
            devpg::shared::url(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a server")
        });
        let cell = Cell::new(&format!("t_{}", Uuid::now_v7().simple())).unwrap();
        let options: PgConnectOptions = server.base_url().parse().unwrap();
        let mut conn = options.connect().await.unwrap();
        migrations::run(&mut conn, &cell).await.unwrap();
        conn.close().await.unwrap();
        let options = options.options([("search_path", cell.name()), ("lock_timeout", "30s")]);
        let mut conn = options.connect().await.unwrap();
        let user = NewUser {
            user_id: UserId::from(Uuid::now_v7()),
            tenant_id: tenant(),
            email: "buyer@example.test".to_owned(),
            password_hash: PasswordHash("hash".to_owned()),
            role: Role::Customer,
        };
        store::users::insert(&mut conn, &user).await.unwrap();
        Self { conn, user: user.user_id }
    }

    /// Drops the cell; a test that failed leaves it behind.
    pub(crate) async fn end(mut self) {
        self.run("set lock_timeout = '30s'").await;
        let cell: String =
            sqlx::query_scalar("select current_schema()").fetch_one(&mut self.conn).await.unwrap();
        self.run(&format!("drop schema {cell} cascade")).await;
        self.conn.close().await.unwrap();
    }

    /// Runs one statement of the test's own making.
    pub(crate) async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.conn).await.unwrap();
    }

    pub(crate) async fn scalar(&mut self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&mut self.conn).await.unwrap()
    }

    pub(crate) async fn product(&mut self, name: &str, units: u64) -> Sku {
        let sku: Sku = name.parse().unwrap();
        let product = Product {
            tenant_id: tenant(),
            sku: sku.clone(),
            name: format!("Product {name}"),
            unit_price: inr(1_000),
            is_active: true,
        };
        store::products::upsert(&mut self.conn, &product).await.unwrap();
        if units > 0 {
            let units = i64::try_from(units).unwrap().try_into().unwrap();
            store::stock::receive(&mut self.conn, &tenant(), &sku, units).await.unwrap();
        }
        sku
    }

    /// Places an order as the API does.
    pub(crate) async fn place(&mut self, lines: &[(&Sku, i64)]) -> PlacedOrder {
        let (order_id, tenant_id) = (OrderId::from(Uuid::now_v7()), tenant());
        let priced = lines
            .iter()
            .map(|(sku, quantity)| PricedLine {
                sku: (*sku).clone(),
                name: sku.to_string(),
                unit_price: inr(1_000),
                quantity: (*quantity).try_into().unwrap(),
            })
            .collect();
        let priced = PricedOrder::price(priced, Currency::Inr, Decimal::new(18, 2)).unwrap();
        let order = NewOrder {
            order_id,
            tenant_id: &tenant_id,
            user_id: self.user,
            workflow_id: &format!("checkout/{order_id}/1"),
            idempotency_key: None,
            priced: &priced,
            expires_in: Duration::from_mins(30),
        };
        let placed = store::orders::insert(&mut self.conn, &order, "test").await.unwrap();
        let lines = lines.iter().map(|(sku, quantity)| CartLine {
            sku: (*sku).clone(),
            quantity: (*quantity).try_into().unwrap(),
        });
        let lines = CartLine::sorted(lines).unwrap();
        PlacedOrder::of(&placed, HoldId::from(Uuid::now_v7()), lines, Terms::default())
    }

    /// Awaits the order's payment; the settlement is what its capture would ask for.
    pub(crate) async fn await_payment(&mut self, order: &PlacedOrder) -> Settlement {
        let settlement = settlement(order);
        let payment = NewPayment {
            payment_id: PaymentId::from(Uuid::now_v7()),
            tenant_id: &order.tenant_id,
            order_id: order.order_id,
            gateway: GATEWAY,
            gateway_order_id: &settlement.session.gateway_order_id,
            amount: order.total,
        };
        store::payments::insert_pending(&mut self.conn, &payment).await.unwrap();
        settlement
    }
}

pub(crate) fn settlement(order: &PlacedOrder) -> Settlement {
    Settlement {
        session: Session {
            order: order.clone(),
            gateway_order_id: format!("order_{}", order.order_id).parse().unwrap(),
        },
        paid: Paid {
            gateway_payment_id: format!("pay_{}", order.order_id).parse().unwrap(),
            amount: order.total,
        },
    }
}

pub(crate) fn hold(order: &PlacedOrder) -> Hold {
    Hold {
        order_id: order.order_id,
        tenant_id: order.tenant_id.clone(),
        hold_id: order.hold_id,
        lines: order.lines.clone(),
        expires_at: order.expires_at,
    }
}

fn tenant() -> TenantId {
    "retail".parse().unwrap()
}

pub(crate) fn inr(minor: i64) -> Money {
    Money::from_minor(minor, Currency::Inr)
}
