//! The one place where money counts as ours: it makes orders paid, many at once.
//! It never asks the gateway: `payments` has read its word before.

use std::collections::BTreeSet;

use domain::{
    Disposition, Entry, GatewayPaymentId, HoldId, HoldState, OrderId, OrderStatus, PaymentId,
    PaymentStatus,
};
use makegood::{Activity, ActivityError, ActivityResult, InBatch};
use serde::{Deserialize, Serialize};
use store::captures::Fulfilled;
use store::ledger::Posting;
use store::orders::StatusChange;
use store::payments::PaidBy;
use store::settlements::{Awaited, Settling, Standing};
use store::{Conn, captures, orders, payments, settlements, stock};

use crate::batch::expect_all;
use crate::ledger;
use crate::payments::{GATEWAY, Paid, Session};

/// What is settled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settlement {
    /// The order and its name at the gateway.
    pub session: Session,
    /// The payment that pays it.
    pub paid: Paid,
}

/// Makes orders paid: status, stock, payment, capture and ledger, in one transaction.
///
/// The only code that does. Whatever does not fit is for a person: money is never guessed about.
/// It is left out of its batch, untouched, and the others are settled.
pub struct SettlePayment;

impl Activity for SettlePayment {
    const NAME: &'static str = "settle_payment";
    type Kind = InBatch;
    type Input = Settlement;
    type Output = GatewayPaymentId;

    async fn run(
        &self,
        tx: &mut Conn,
        settlements: Vec<Settlement>,
    ) -> ActivityResult<Vec<ActivityResult<GatewayPaymentId>>> {
        let standings = look(tx, &settlements).await?;
        let mut taken = Taken::default();
        let found: Vec<ActivityResult<Fit<'_>>> = settlements
            .iter()
            .zip(standings)
            .map(|(settlement, standing)| {
                let fit = Fit::of(settlement, standing)?;
                taken.take(settlement)?;
                Ok(fit)
            })
            .collect();
        let fits: Vec<&Fit<'_>> = found.iter().flatten().collect();
        settle(tx, &fits).await?;
        let paid_by = |fit: Fit<'_>| fit.settlement.paid.gateway_payment_id.clone();
        Ok(found.into_iter().map(|found| found.map(paid_by)).collect())
    }
}

const NOT_RESERVED: &str = "the order is not reserved";
const KEPT: &str = "the payment is kept already";

fn unfit(what: &str) -> ActivityError {
    ActivityError::review("unsettled_payment", what.to_owned())
}

/// How each stands, under the locks of the orders.
async fn look(tx: &mut Conn, settlements: &[Settlement]) -> ActivityResult<Vec<Option<Standing>>> {
    let orders: Vec<_> = settlements.iter().map(|s| s.session.order.order_id).collect();
    orders::lock(tx, &orders).await?;
    let settling: Vec<Settling<'_>> = settlements
        .iter()
        .map(|Settlement { session, paid }| Settling {
            order_id: session.order.order_id,
            hold_id: session.order.hold_id,
            gateway_order_id: &session.gateway_order_id,
            gateway_payment_id: &paid.gateway_payment_id,
        })
        .collect();
    Ok(settlements::look(tx, GATEWAY, &settling).await?)
}

/// A settlement that nothing stands against.
struct Fit<'a> {
    settlement: &'a Settlement,
    payment_id: PaymentId,
    entries: Vec<Entry>,
}

impl<'a> Fit<'a> {
    fn of(settlement: &'a Settlement, standing: Option<Standing>) -> ActivityResult<Self> {
        let Some(standing) = standing else { return Err(unfit("there is no such order")) };
        if standing.status != OrderStatus::Reserved {
            return Err(unfit(NOT_RESERVED));
        }
        if standing.hold != Some(HoldState::Held) {
            return Err(unfit("the order's stock is not held"));
        }
        let payment_id = match standing.payment {
            Some(Awaited { payment_id, status, amount }) if awaits_money(status) => {
                let other = amount != settlement.paid.amount;
                if other && !planted::has("another amount pays an order") {
                    return Err(unfit("the payment is over another amount"));
                }
                payment_id
            }
            Some(_) | None => return Err(unfit("the payment is not awaited")),
        };
        match standing.disposition {
            Some(Disposition::Refunded) => return Err(unfit("the payment was sent back already")),
            Some(Disposition::Fulfilled) => return Err(unfit(KEPT)),
            Some(Disposition::Open | Disposition::Review) if standing.is_anothers => {
                return Err(unfit("the payment belongs to another order"));
            }
            Some(Disposition::Open | Disposition::Review) | None => {}
        }
        if standing.is_posted {
            return Err(unfit("the payment is in the ledger already"));
        }
        let entries = ledger::sale(&settlement.session.order)?;
        Ok(Self { settlement, payment_id, entries })
    }

    fn paid(&self) -> StatusChange<'static> {
        let order = self.settlement.session.order.order_id;
        StatusChange::new(order, OrderStatus::Paid, "checkout")
    }

    fn success(&self) -> PaidBy<'_> {
        let gateway_payment_id = &self.settlement.paid.gateway_payment_id;
        PaidBy { payment_id: self.payment_id, gateway_payment_id }
    }

    fn capture(&self) -> Fulfilled<'_> {
        let Settlement { session, paid } = self.settlement;
        Fulfilled {
            gateway_payment_id: &paid.gateway_payment_id,
            gateway_order_id: &session.gateway_order_id,
            order_id: session.order.order_id,
            amount: paid.amount,
        }
    }

    fn posting(&self) -> Posting<'_> {
        let Settlement { session, paid } = self.settlement;
        ledger::capture(&session.order, &paid.gateway_payment_id, &self.entries)
    }
}

/// What earlier settlements of a batch have taken: a later one finds it as if they were done.
#[derive(Default)]
struct Taken<'a> {
    orders: BTreeSet<OrderId>,
    payments: BTreeSet<&'a GatewayPaymentId>,
}

impl<'a> Taken<'a> {
    fn take(&mut self, Settlement { session, paid }: &'a Settlement) -> ActivityResult<()> {
        let (order, payment) = (session.order.order_id, &paid.gateway_payment_id);
        if self.orders.contains(&order) {
            return Err(unfit(NOT_RESERVED));
        }
        let kept = !self.payments.insert(payment);
        if kept && !planted::has("one payment pays two orders") {
            return Err(unfit(KEPT));
        }
        self.orders.insert(order);
        Ok(())
    }
}

fn awaits_money(status: PaymentStatus) -> bool {
    matches!(status, PaymentStatus::Pending | PaymentStatus::CodDue)
}

/// Each statement guards itself, though all were looked at before: they change all, or none counts.
async fn settle(tx: &mut Conn, fits: &[&Fit<'_>]) -> ActivityResult<()> {
    let count = fits.len();
    if count == 0 {
        return Ok(());
    }
    let paid: Vec<StatusChange<'_>> = fits.iter().map(|fit| fit.paid()).collect();
    let changed = orders::set_status(tx, &[OrderStatus::Reserved], &paid).await?;
    expect_all(changed.len(), count, "orders")?;
    let holds: Vec<HoldId> = fits.iter().map(|fit| fit.settlement.session.order.hold_id).collect();
    expect_all(stock::finalise(tx, &holds).await?.len(), count, "holds")?;
    let successes: Vec<PaidBy<'_>> = fits.iter().map(|fit| fit.success()).collect();
    expect_all(payments::mark_success(tx, &successes).await?.len(), count, "payments")?;
    let kept: Vec<Fulfilled<'_>> = fits.iter().map(|fit| fit.capture()).collect();
    expect_all(captures::fulfil(tx, &kept).await?.len(), count, "captures")?;
    let postings: Vec<Posting<'_>> = fits.iter().map(|fit| fit.posting()).collect();
    expect_all(store::ledger::post_all(tx, &postings).await?.len(), count, "ledger transactions")
}
