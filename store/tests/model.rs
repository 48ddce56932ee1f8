//! Orders, stock, payments and refunds against a model in memory: random sequences of moves, each
//! answered as the model answers it, and all of them adding up at the end. A sequence that differs
//! is shrunk to its shortest. `PROPTEST_CASES=10000` tries so many.
#![expect(clippy::unwrap_used, reason = "test helpers stop at the first fault")]

mod support;

use domain::{HoldState, OrderId, OrderStatus, PaymentId, PaymentStatus, RefundId, RefundStatus};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::captures::NewCapture;
use store::orders::StatusChange;
use store::refunds::{Asked, Failed, NewRefund};
use store::stock::{HoldRequest, Taken};
use store::{Conn, Error, captures, holds, orders, payments, refunds, stock};
use support::{GatewayNames, TestDatabase, inr, request, tenant, test_database};
use uuid::Uuid;

const UNITS: i64 = 12;
const PRICE_MINOR: i64 = 1_000;

/// A move; the first number says of which order.
#[derive(Clone, Debug)]
enum Move {
    Place(i64),
    Take(usize),
    Release(usize),
    Finalise(usize),
    Restock(usize),
    Become(usize, OrderStatus),
    Open(usize),
    Pay(usize),
    Decline(usize),
    /// So much of its payment is to go back, under this key.
    Refund(usize, i64, u8),
    Process(usize, usize),
    Fail(usize, usize),
    /// The payment says how much of it went back.
    Restate(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    use OrderStatus::{Cancelled, Completed, Confirmed, Expired, Failed, Paid, Reserved, Shipped};
    let order = 0..3_usize;
    let statuses = [Reserved, Paid, Confirmed, Shipped, Completed, Failed, Expired, Cancelled];
    let one = prop_oneof![
        2 => (1..6_i64).prop_map(Move::Place),
        3 => order.clone().prop_map(Move::Take),
        2 => order.clone().prop_map(Move::Release),
        2 => order.clone().prop_map(Move::Finalise),
        1 => order.clone().prop_map(Move::Restock),
        4 => (order.clone(), prop::sample::select(statuses.to_vec())).prop_map(|(o, s)| Move::Become(o, s)),
        2 => order.clone().prop_map(Move::Open),
        3 => order.clone().prop_map(Move::Pay),
        1 => order.clone().prop_map(Move::Decline),
        3 => (order.clone(), 100..5_000_i64, 0..4_u8).prop_map(|(o, m, k)| Move::Refund(o, m, k)),
        2 => (order.clone(), 0..3_usize).prop_map(|(o, r)| Move::Process(o, r)),
        1 => (order.clone(), 0..3_usize).prop_map(|(o, r)| Move::Fail(o, r)),
        2 => order.prop_map(Move::Restate),
    ];
    vec(one, 1..60)
}

/// An order as the model has it.
struct Sale {
    order: OrderId,
    quantity: i64,
    wanted: HoldRequest,
    hold: Option<HoldState>,
    status: OrderStatus,
    payment: Option<(PaymentId, PaymentStatus)>,
    refunds: Vec<Back>,
}

struct Back {
    refund_id: RefundId,
    key: u8,
    minor: i64,
    status: RefundStatus,
}

impl Sale {
    fn amount_minor(&self) -> i64 {
        self.quantity * PRICE_MINOR
    }

    fn is_captured(&self) -> bool {
        self.payment.is_some_and(|(_, status)| status.was_paid())
    }

    /// What may still go back.
    fn left_minor(&self) -> i64 {
        let live = self.refunds.iter().filter(|back| back.status != RefundStatus::Failed);
        self.amount_minor() - live.map(|back| back.minor).sum::<i64>()
    }

    /// What its payment should say.
    fn restated(&self) -> PaymentStatus {
        let back = self.refunds.iter().filter(|back| back.status == RefundStatus::Processed);
        match back.map(|back| back.minor).sum::<i64>() {
            0 => PaymentStatus::Success,
            minor if minor < self.amount_minor() => PaymentStatus::PartiallyRefunded,
            _ => PaymentStatus::Refunded,
        }
    }

    fn units(&self, state: HoldState) -> i64 {
        if self.hold == Some(state) { self.quantity } else { 0 }
    }
}

type Same = Result<(), String>;

#[expect(clippy::needless_pass_by_value, reason = "what is compared is read for it alone")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Same {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found:?}, not {wanted:?}")) }
}

struct Play<'a> {
    db: &'a TestDatabase,
    conn: sqlx::pool::PoolConnection<sqlx::Postgres>,
    sku: domain::Sku,
    sales: Vec<Sale>,
}

impl Play<'_> {
    async fn step(&mut self, step: &Move) -> Same {
        use HoldState::{Finalised, Held, Released, Restocked};
        // Whatever number it has, it is one that was placed.
        let placed = self.sales.len();
        let of = |at: &usize| at % placed;
        match step {
            Move::Place(quantity) => self.place(*quantity).await,
            Move::Take(at) => self.take(of(at)).await,
            Move::Release(at) => self.end(of(at), Held, Released).await,
            Move::Finalise(at) => self.end(of(at), Held, Finalised).await,
            Move::Restock(at) => self.end(of(at), Finalised, Restocked).await,
            Move::Become(at, to) => self.become_status(of(at), *to).await,
            Move::Open(at) => self.open(of(at)).await,
            Move::Pay(at) => self.pay(of(at)).await,
            Move::Decline(at) => self.decline(of(at)).await,
            Move::Refund(at, minor, key) => self.refund(of(at), *minor, *key).await,
            Move::Process(at, number) => self.process(of(at), *number).await,
            Move::Fail(at, number) => self.fail(of(at), *number).await,
            Move::Restate(at) => self.restate(of(at)).await,
        }
    }

    async fn place(&mut self, quantity: i64) -> Same {
        let order = self.db.order(&[(&self.sku, quantity)]).await;
        let wanted = request(order, &[(&self.sku, quantity)]);
        let status = OrderStatus::Pending;
        let (hold, payment, refunds) = (None, None, Vec::new());
        self.sales.push(Sale { order, quantity, wanted, hold, status, payment, refunds });
        Ok(())
    }

    fn available(&self) -> i64 {
        let gone = |sale: &Sale| sale.units(HoldState::Held) + sale.units(HoldState::Finalised);
        UNITS - self.sales.iter().map(gone).sum::<i64>()
    }

    async fn take(&mut self, at: usize) -> Same {
        let available = self.available();
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let mut tx = self.db.pool.begin().await.unwrap();
        let wanted = std::slice::from_ref(&sale.wanted);
        let taken = stock::take(&mut tx, wanted).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        match (sale.hold, taken) {
            (Some(_), Taken::AlreadyKnown) => Ok(()),
            (None, Taken::Held) if sale.quantity <= available => {
                sale.hold = Some(HoldState::Held);
                Ok(())
            }
            (None, Taken::Short(_)) if sale.quantity > available => Ok(()),
            (hold, taken) => Err(format!("{taken:?} with {available} available, was {hold:?}")),
        }
    }

    async fn end(&mut self, at: usize, from: HoldState, to: HoldState) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let hold = [sale.wanted.hold_id];
        let done = match to {
            HoldState::Released => stock::release(&mut self.conn, &hold).await,
            HoldState::Finalised => stock::finalise(&mut self.conn, &hold).await,
            HoldState::Held | HoldState::Restocked => stock::restock(&mut self.conn, &hold).await,
        };
        let changes = sale.hold == Some(from);
        if changes {
            sale.hold = Some(to);
        }
        same("a hold changes", done.unwrap().len() == 1, changes)
    }

    async fn become_status(&mut self, at: usize, to: OrderStatus) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let change =
            StatusChange { reason_code: Some("TEST"), ..StatusChange::new(sale.order, to, "test") };
        let from: Vec<_> = OrderStatus::ALL.iter().copied().filter(|from| *from != to).collect();
        let changed = orders::set_status(&mut self.conn, &from, &[change]).await;
        let may = sale.status.may_become(to);
        if may {
            sale.status = to;
        }
        same("an order changes", changed.is_ok_and(|changed| changed == [sale.order]), may)
    }

    async fn open(&mut self, at: usize) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        if sale.is_captured() {
            return Ok(());
        }
        let names = GatewayNames::of(sale.order);
        let new = support::payment(sale.order, &names, inr(sale.amount_minor()));
        let opened = payments::insert_pending(&mut self.conn, &new).await.unwrap();
        let open = sale.payment.filter(|(_, status)| *status == PaymentStatus::Pending);
        let wanted = open.map_or(new.payment_id, |(known, _)| known);
        sale.payment = Some((wanted, PaymentStatus::Pending));
        same("the open payment", opened.payment_id, wanted)
    }

    async fn pay(&mut self, at: usize) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let Some((payment, status)) = sale.payment else { return Ok(()) };
        let names = GatewayNames::of(sale.order);
        let paid = support::paid(&mut self.conn, payment, &names.payment).await.unwrap();
        let pays = status == PaymentStatus::Pending;
        if pays {
            sale.payment = Some((payment, PaymentStatus::Success));
            let capture = NewCapture {
                gateway_payment_id: &names.payment,
                gateway_order_id: &names.order,
                order_id: Some(sale.order),
                amount: inr(sale.amount_minor()),
            };
            same("a new capture", captures::record(&mut self.conn, &capture).await.unwrap(), true)?;
        }
        same("a payment is paid", paid, pays)
    }

    async fn decline(&mut self, at: usize) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let declined = support::declined(&mut self.conn, sale.order).await.unwrap();
        let open = sale.payment.filter(|(_, status)| *status == PaymentStatus::Pending);
        if let Some((payment, _)) = open {
            sale.payment = Some((payment, PaymentStatus::Failed));
        }
        same("a payment fails", declined, open.is_some())
    }

    async fn refund(&mut self, at: usize, minor: i64, key: u8) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let names = GatewayNames::of(sale.order);
        let refund_id = RefundId::from(Uuid::now_v7());
        let name = format!("{} {key}", sale.order);
        let new = NewRefund {
            refund_id,
            order_id: sale.order,
            gateway_payment_id: &names.payment,
            gateway_refund_id: None,
            amount: inr(minor),
            asked: Some(inr(minor)),
            idempotency_key: &name,
            reason: "asked",
            override_reason: None,
            actor: "test",
            watched: true,
        };
        let asked = refunds::insert_pending(&mut self.conn, &new).await;
        let known = sale.refunds.iter().find(|back| back.key == key).map(|back| back.refund_id);
        let left = sale.left_minor();
        match (asked, known) {
            (Err(Error::NotFound), None) if !sale.is_captured() => Ok(()),
            (Ok(Asked::Known(found)), Some(known)) => same("the key's", found.refund_id, known),
            (Ok(Asked::TooMuch(found)), None) if minor > left => {
                same("what is left", found, inr(left))
            }
            (Ok(Asked::Added(_)), None) if sale.is_captured() && minor <= left => {
                let status = RefundStatus::Pending;
                sale.refunds.push(Back { refund_id, key, minor, status });
                Ok(())
            }
            (asked, known) => Err(format!("{asked:?} of {left} with {known:?}")),
        }
    }

    async fn process(&mut self, at: usize, number: usize) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let Some(back) = sale.refunds.get_mut(number) else { return Ok(()) };
        let name = format!("rfnd_{}", back.refund_id).parse().unwrap();
        let done = refunds::mark_processed(&mut self.conn, back.refund_id, &name).await.unwrap();
        let may = back.status == RefundStatus::Pending;
        if may {
            back.status = RefundStatus::Processed;
        }
        same("a refund leaves", done, may)
    }

    async fn fail(&mut self, at: usize, number: usize) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let Some(back) = sale.refunds.get_mut(number) else { return Ok(()) };
        let failed = refunds::mark_failed(&mut self.conn, back.refund_id, None, "BANK").await;
        let wanted = match back.status {
            RefundStatus::Pending => Failed::FromPending,
            RefundStatus::Processed => Failed::FromProcessed,
            RefundStatus::Failed => Failed::Before,
        };
        back.status = RefundStatus::Failed;
        same("a refund fails", failed.unwrap(), wanted)
    }

    async fn restate(&mut self, at: usize) -> Same {
        let Some(sale) = self.sales.get_mut(at) else { return Ok(()) };
        let names = GatewayNames::of(sale.order);
        let changed = payments::mark_refunded(&mut self.conn, &names.payment).await.unwrap();
        let status = sale.restated();
        let Some((payment, was)) = sale.payment.filter(|_| sale.is_captured()) else {
            return same("nothing was paid", changed, false);
        };
        sale.payment = Some((payment, status));
        same("a payment says what went back", changed, was != status)
    }

    /// Every row is what the model has, and the books of the stock add up.
    async fn all_is_as_in_the_model(&mut self) -> Same {
        let conn: &mut Conn = &mut self.conn;
        let counters = stock::get(conn, &tenant(), &self.sku).await.unwrap();
        let sum = |state| self.sales.iter().map(|sale| sale.units(state)).sum::<i64>();
        let (held, sold) = (sum(HoldState::Held), sum(HoldState::Finalised));
        same("available", counters.available, UNITS - held - sold)?;
        same("reserved", counters.reserved, held)?;
        same("sold", counters.sold, sold)?;
        for sale in &self.sales {
            same("status", orders::get(conn, sale.order).await.unwrap().status, sale.status)?;
            let hold = holds::by_order(conn, sale.order).await.unwrap();
            same("hold", hold.first().map(|hold| hold.state), sale.hold)?;
            let found = payments::by_order(conn, sale.order).await.unwrap();
            let found = found.iter().find(|p| Some(p.payment_id) == sale.payment.map(|p| p.0));
            same("payment", found.map(|p| p.status), sale.payment.map(|p| p.1))?;
            let mut found: Vec<(RefundId, RefundStatus)> = Vec::new();
            for refund in refunds::by_order(conn, sale.order).await.unwrap() {
                found.push((refund.refund_id, refund.status));
            }
            let mut wanted: Vec<_> = sale.refunds.iter().map(|b| (b.refund_id, b.status)).collect();
            found.sort_by_key(|(id, _)| *id);
            wanted.sort_by_key(|(id, _)| *id);
            same("refunds", found, wanted)?;
        }
        let of_stock = [
            "stock counters add up",
            "replayed movements equal the counters",
            "reserved equals what is held",
            "no more goes back than came in",
            "an order is paid at most once",
            "the last event of an order says its status",
        ];
        let broken = self.db.violations().await;
        let broken = broken.into_iter().find(|found| of_stock.contains(&found.invariant));
        same("the audit", broken, None)
    }
}

async fn play(db: &TestDatabase, moves: &[Move]) -> Same {
    let sku = db.product(&Uuid::now_v7().simple().to_string(), UNITS).await;
    let mut play = Play { db, conn: db.conn().await, sku, sales: Vec::new() };
    play.place(3).await?;
    for step in moves {
        play.step(step).await.map_err(|fault| format!("{step:?}: {fault}"))?;
    }
    play.all_is_as_in_the_model().await
}

#[test]
fn orders_stock_payments_and_refunds_do_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(test_database());
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(96), failure_persistence: None, ..Config::default() };
    let played = TestRunner::new(config)
        .run(&moves(), |moves| runtime.block_on(play(&db, &moves)).map_err(TestCaseError::fail));
    assert!(played.is_ok(), "{}", played.unwrap_err());
}

#[test]
fn planted_bugs_are_noticed() {
    let model = "orders_stock_payments_and_refunds_do_what_the_model_does";
    let table = [("a hold ends twice", model), ("more goes back than came in", model)];
    let missed = planted::caught(&table);
    assert_eq!(missed.unwrap(), [""; 0], "the model can tell");
}
