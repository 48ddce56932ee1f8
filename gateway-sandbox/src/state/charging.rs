//! How money comes in: attempts, authorization, capture, failure, and money that comes late.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::State;
use crate::{
    event::{Event, EventName},
    model::{Capture, Decline, Method, Minor, Notes, Order, OrderStatus, Payment, PaymentStatus},
    refusal::Refusal,
};

const FEE_PERCENT: u64 = 2;
const TAX_PERCENT_OF_FEE: u64 = 18;

/// How a customer's attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Captured,
    Authorized,
    Failed,
    Pending,
}

/// What an attempt becomes after its first outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Late {
    #[default]
    Captured,
    Authorized,
    Failed,
}

/// A customer's attempt to pay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) method: Method,
    pub(crate) vpa: Option<String>,
    pub(crate) bank: Option<String>,
    pub(crate) wallet: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) contact: Option<String>,
    /// Another amount than the order's, to plant a mismatch.
    pub(crate) amount: Option<Minor>,
    /// Another currency than the order's, to plant a mismatch.
    pub(crate) currency: Option<String>,
    /// Whether the order may have a payment already, as in a gateway in bad shape.
    pub(crate) beside: bool,
    /// `None` leaves it to the instrument and to the order's capture setting.
    pub(crate) outcome: Option<Outcome>,
    /// The reason code of a failure.
    pub(crate) reason: Option<String>,
}

impl State {
    /// A customer tries to pay an order.
    pub(crate) fn attempt(
        &mut self,
        order_id: &str,
        attempt: Attempt,
        now: u64,
    ) -> Result<Payment, Refusal> {
        if !attempt.beside {
            self.check_payable(order_id)?;
        }
        let occurrence = self.payments.group_len(order_id);
        let order = self.order_mut(order_id)?;
        order.attempts = order.attempts.saturating_add(1);
        order.status = OrderStatus::Attempted;
        let outcome = attempt.outcome.unwrap_or_else(|| default_outcome(&attempt, order.capture));
        let reason = attempt.reason.clone().unwrap_or_else(|| "payment_failed".into());
        let order = order.clone();
        let id = self.rules.chance.id("pay_", order_id, occurrence);
        let payment = new_payment(id.clone(), &order, attempt, now);
        self.payments.insert(&id, order_id, payment);
        match outcome {
            Outcome::Captured => self.authorize(&id, now).and_then(|()| self.settle(&id, now))?,
            Outcome::Authorized => self.authorize(&id, now)?,
            Outcome::Failed => self.fail(&id, &reason, now)?,
            Outcome::Pending => {}
        }
        self.payment(&id).cloned()
    }

    /// The merchant takes an authorized payment.
    pub(crate) fn capture(
        &mut self,
        id: &str,
        amount: Minor,
        currency: &str,
        now: u64,
    ) -> Result<Payment, Refusal> {
        let refuse =
            |description| Err(Refusal::state("payment_capture", "capture_failed", description));
        let payment = self.payment(id)?;
        match payment.status {
            PaymentStatus::Authorized => {}
            PaymentStatus::Captured | PaymentStatus::Refunded => {
                return refuse("This payment was captured already");
            }
            PaymentStatus::Created | PaymentStatus::Failed => {
                return refuse("Only an authorized payment can be captured");
            }
        }
        if payment.amount != amount {
            return refuse("The amount to capture must equal the authorized amount");
        }
        if payment.currency != currency {
            return refuse("The currency to capture must equal the authorized currency");
        }
        if self.order(&payment.order_id)?.status == OrderStatus::Paid {
            return refuse("The order is paid already");
        }
        self.settle(id, now)?;
        self.payment(id).cloned()
    }

    /// The bank's answer comes after all. If the order has its money already, this goes back at once.
    pub(crate) fn resolve_late(
        &mut self,
        id: &str,
        late: Late,
        now: u64,
    ) -> Result<Payment, Refusal> {
        let payment = self.payment(id)?;
        if !matches!(payment.status, PaymentStatus::Created | PaymentStatus::Failed) {
            return Err(Refusal::invalid("Only a created or failed payment can be resolved late"));
        }
        let order_id = payment.order_id.clone();
        let superfluous = self.check_payable(&order_id).is_err();
        match late {
            Late::Failed => self.fail(id, "payment_timed_out", now)?,
            Late::Captured | Late::Authorized if superfluous => {
                self.authorize(id, now)?;
                self.give_back(id, now)?;
            }
            Late::Authorized => self.authorize(id, now)?,
            Late::Captured => self.authorize(id, now).and_then(|()| self.settle(id, now))?,
        }
        self.payment(id).cloned()
    }

    /// Nobody took an authorized payment in time: the customer keeps the money.
    pub(crate) fn lapse(&mut self, id: &str, now: u64) -> Result<Payment, Refusal> {
        if self.payment(id)?.status != PaymentStatus::Authorized {
            return Err(Refusal::invalid("Only an authorized payment can lapse"));
        }
        self.give_back(id, now)?;
        self.payment(id).cloned()
    }

    fn check_payable(&self, order_id: &str) -> Result<(), Refusal> {
        let step = "payment_initiation";
        if self.order(order_id)?.status == OrderStatus::Paid {
            return Err(Refusal::state(step, "duplicate_request", "The order is paid already"));
        }
        if self.payments.group(order_id).any(|other| other.status == PaymentStatus::Authorized) {
            let description = "Another payment of this order is authorized";
            return Err(Refusal::state(step, "duplicate_request", description));
        }
        Ok(())
    }

    fn authorize(&mut self, id: &str, now: u64) -> Result<(), Refusal> {
        let payment = self.payment_mut(id)?;
        payment.status = PaymentStatus::Authorized;
        payment.decline = Decline::default();
        payment.acquirer_data = acquirer_data(payment);
        self.tell_payment(EventName::PaymentAuthorized, id, now)
    }

    fn settle(&mut self, id: &str, now: u64) -> Result<(), Refusal> {
        let payment = self.payment_mut(id)?;
        payment.status = PaymentStatus::Captured;
        payment.captured = true;
        let fee = payment.amount.percent(FEE_PERCENT);
        let tax = fee.percent(TAX_PERCENT_OF_FEE);
        payment.fee = Some(fee.plus(tax));
        payment.tax = Some(tax);
        let (order_id, amount) = (payment.order_id.clone(), payment.amount);
        let order = self.order_mut(&order_id)?;
        order.status = OrderStatus::Paid;
        order.amount_paid = order.amount_paid.plus(amount);
        order.amount_due = order.amount.less(order.amount_paid);
        self.tell_payment(EventName::PaymentCaptured, id, now)?;
        self.tell_payment(EventName::OrderPaid, id, now)
    }

    fn fail(&mut self, id: &str, reason: &str, now: u64) -> Result<(), Refusal> {
        let payment = self.payment_mut(id)?;
        payment.status = PaymentStatus::Failed;
        payment.decline = Decline::by_bank(reason);
        self.tell_payment(EventName::PaymentFailed, id, now)
    }

    fn tell_payment(&mut self, name: EventName, id: &str, now: u64) -> Result<(), Refusal> {
        let payment = self.payment(id)?;
        let event = Event::payment(name, self.order(&payment.order_id)?, payment, now);
        self.events.push(event);
        Ok(())
    }
}

fn default_outcome(attempt: &Attempt, capture: Capture) -> Outcome {
    match (attempt.vpa.as_deref(), capture) {
        (Some("failure@razorpay"), _) => Outcome::Failed,
        (_, Capture::Automatic) => Outcome::Captured,
        (_, Capture::Manual) => Outcome::Authorized,
    }
}

fn new_payment(id: String, order: &Order, attempt: Attempt, now: u64) -> Payment {
    let amount = attempt.amount.unwrap_or(order.amount);
    Payment {
        id,
        entity: "payment",
        amount,
        currency: attempt.currency.unwrap_or_else(|| order.currency.clone()),
        base_amount: amount,
        status: PaymentStatus::Created,
        order_id: order.id.clone(),
        invoice_id: None,
        international: false,
        method: attempt.method,
        amount_refunded: Minor::ZERO,
        amount_transferred: Minor::ZERO,
        refund_status: None,
        captured: false,
        description: None,
        card_id: None,
        bank: attempt.bank,
        wallet: attempt.wallet,
        vpa: attempt.vpa,
        email: attempt.email,
        contact: attempt.contact,
        notes: Notes::default(),
        fee: None,
        tax: None,
        decline: Decline::default(),
        acquirer_data: BTreeMap::new(),
        created_at: now,
    }
}

/// The bank's own reference, under the name each method gives it.
fn acquirer_data(payment: &Payment) -> BTreeMap<&'static str, String> {
    let name = match payment.method {
        Method::Upi => "rrn",
        Method::Card | Method::Emi => "auth_code",
        Method::Netbanking => "bank_transaction_id",
        Method::Wallet => "transaction_id",
    };
    let digits = payment.id.bytes().skip(4).take(12).map(|byte| char::from(b'0' + byte % 10));
    BTreeMap::from([(name, digits.collect())])
}
