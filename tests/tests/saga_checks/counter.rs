//! A shop without an API: a cell, a gateway, one order, and a customer who pays at the gateway.

use std::sync::Arc;

use activities::gateway::{Gateway, GatewayConfig, RazorpayClient};
use activities::orders::PlacedOrder;
use domain::{CartLine, Currency, HoldId, Money, OrderId, PricedLine, PricedOrder, Terms, UserId};
use gateway_sandbox::{Config, RefundMode, Sandbox};
use makegood::Registry;
use makegood::testkit::{Place, Result, Stage};
use makegood_tests::{Answer, Truth, Web, books};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::orders::{self, NewOrder};
use store::users::{self, NewUser, PasswordHash};
use uuid::Uuid;

const UNITS: i64 = 10;

/// A cell and a gateway that nobody else uses.
pub(crate) async fn fresh_shop(refunds: RefundMode) -> Result<Place> {
    let database = makegood_tests::Place::shared().await;
    let config = Config { refunds, ..Config::default() };
    let (key_id, secret) = (config.key_id.clone(), config.key_secret.clone());
    let sandbox = Sandbox::start(config).await?;
    let place = Place::new(&database.url, database.cell.name())
        .with("gateway", sandbox.url())
        .with("key_id", key_id)
        .with("key_secret", secret.expose_secret());
    Ok(place.keeping(sandbox).keeping(database))
}

pub(crate) fn gateway(place: &Place) -> Result<Arc<RazorpayClient>> {
    let (url, key_id) = (place.setting("gateway")?, place.setting("key_id")?);
    let config = GatewayConfig::new(url, key_id, place.setting("key_secret")?.to_owned().into());
    Ok(Arc::new(RazorpayClient::new(config)?))
}

pub(crate) fn registry(place: &Place) -> Result<Registry> {
    let gateway: Arc<dyn Gateway> = gateway(place)?;
    Ok(workflows::register(activities::register(Registry::new(), gateway)))
}

/// Ten units of tea on sale, and an order for one of them that is to be paid within half an hour.
pub(crate) async fn place_order(stage: &Stage, terms: Terms) -> Result<PlacedOrder> {
    sqlx::raw_sql(
        "insert into products (tenant_id, sku, name, unit_price_minor, currency)
         values ('retail', 'tea', 'Tea', 1000, 'INR');
         insert into inventory (tenant_id, sku, received, available)
         values ('retail', 'tea', 10, 10);
         insert into stock_movements (tenant_id, sku, kind, received_delta, available_delta)
         values ('retail', 'tea', 'RECEIVE', 10, 10)",
    )
    .execute(stage.pool())
    .await?;
    let mut tx = stage.pool().begin().await?;
    let customer = NewUser {
        user_id: UserId::from(Uuid::now_v7()),
        tenant_id: "retail".parse()?,
        email: "buyer@example.test".to_owned(),
        password_hash: PasswordHash("none".to_owned()),
        role: domain::Role::Customer,
    };
    users::insert(&mut tx, &customer).await?;
    let line = CartLine { sku: "tea".parse()?, quantity: 1.try_into()? };
    let priced = PricedLine {
        sku: line.sku.clone(),
        name: "Tea".to_owned(),
        unit_price: Money::from_minor(1_000, Currency::Inr),
        quantity: line.quantity,
    };
    let priced = PricedOrder::price(vec![priced], Currency::Inr, Decimal::ZERO)?;
    let new = NewOrder {
        order_id: OrderId::from(Uuid::now_v7()),
        tenant_id: &customer.tenant_id,
        user_id: customer.user_id,
        workflow_id: stage.workflow_id(),
        idempotency_key: None,
        priced: &priced,
        expires_in: std::time::Duration::from_mins(30),
    };
    let order = orders::insert(&mut tx, &new, "customer").await?;
    tx.commit().await?;
    Ok(PlacedOrder::of(&order, HoldId::from(Uuid::now_v7()), vec![line], terms))
}

/// The customer pays; the gateway's payment.
pub(crate) async fn pay(place: &Place, gateway_order: &str) -> Result<String> {
    let url = format!("{}/checkout/pay", place.setting("gateway")?);
    let answer = Answer::of(Web::new().post(&url).json(&json!({"order_id": gateway_order}))).await;
    let answer = answer.ok_or("the gateway does not answer")?;
    Ok(answer.text("/razorpay_payment_id").to_owned())
}

/// The gateway's own books.
pub(crate) async fn truth(place: &Place) -> Result<Truth> {
    let url = format!("{}/sandbox/state", place.setting("gateway")?);
    let answer = Answer::of(Web::new().get(&url)).await.ok_or("the gateway does not answer")?;
    Ok(serde_json::from_value::<Truth>(answer.body)?)
}

/// Asks the gateway to do what only a test may ask.
pub(crate) async fn meddle(place: &Place, path: &str, body: &Value) -> Result<()> {
    let url = format!("{}/sandbox/{path}", place.setting("gateway")?);
    let answer = Answer::of(Web::new().post(&url).json(body)).await;
    answer.ok_or("the gateway does not answer")?.expect(200);
    Ok(())
}

/// Where the stock and the money are.
pub(crate) async fn stock_and_money(stage: &Stage) -> Result<Vec<String>> {
    let mut conn = stage.pool().acquire().await?;
    let stock = books::stock(&mut conn, "tea").await;
    let truth = truth(stage.place()).await?;
    let came = truth.payments.iter().filter(|p| ["captured", "refunded"].contains(&&*p.status));
    let came: i64 = came.map(|payment| payment.amount).sum();
    let went: i64 = truth.refunds.iter().map(|refund| refund.amount).sum();
    let sql = "select account || ' ' || sum(debit_minor - credit_minor) from ledger_entries
               group by account having sum(debit_minor - credit_minor) <> 0";
    let mut lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *conn).await?;
    lines.push(format!("{stock:?} of {UNITS}"));
    lines.push(format!("money at the gateway: {}", came - went));
    Ok(lines)
}

/// The order's whole trace, what the gateway saw of it, and whatever the audits find.
pub(crate) async fn whole_trace(stage: &Stage) -> Result<Vec<String>> {
    let truth = truth(stage.place()).await?;
    let mut conn: sqlx::pool::PoolConnection<sqlx::Postgres> = stage.pool().acquire().await?;
    let conn: &mut PgConnection = &mut conn;
    let order: String =
        sqlx::query_scalar("select order_id::text from orders").fetch_one(&mut *conn).await?;
    let summary = books::summary(conn, &order).await;
    let mut lines: Vec<String> = format!("{summary:#?}").lines().map(str::to_owned).collect();
    lines.extend(books::faults(conn, &truth).await);
    lines.push(format!("orders at the gateway: {}", truth.orders_of(&order).len()));
    lines.push(format!("refunds at the gateway: {}", truth.refunds.len()));
    lines.extend(stock_and_money(stage).await?);
    Ok(lines)
}
