//! How money goes back: refunds, their keys, and how they end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::State;
use crate::{
    config::RefundMode,
    event::{Event, EventName},
    model::{
        Minor, Notes, Payment, PaymentStatus, ProcessedSpeed, Refund, RefundShare, RefundStatus,
        Speed,
    },
    refusal::Refusal,
};

const SMALLEST: Minor = Minor::new(100);
/// A payment older than six months is given back no more.
const TOO_OLD_SECS: u64 = 180 * 24 * 60 * 60;

/// What a refund is asked to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefundDraft {
    /// `None` gives back all that remains.
    pub(crate) amount: Option<Minor>,
    pub(crate) speed: Option<Speed>,
    pub(crate) notes: Notes,
    pub(crate) receipt: Option<String>,
}

impl State {
    /// What an idempotency key stands for already: the first answer if `request` is the same.
    pub(crate) fn refund_by_key(
        &self,
        key: &str,
        request: &Value,
    ) -> Result<Option<Refund>, Refusal> {
        match self.refund_keys.get(key) {
            None => Ok(None),
            Some((first, refund)) if first == request => Ok(Some(refund.clone())),
            Some(_) => Err(Refusal::key_reused()),
        }
    }

    /// Binds an idempotency key to its request and answer.
    pub(crate) fn remember_refund(&mut self, key: String, request: Value, refund: Refund) {
        self.refund_keys.insert(key, (request, refund));
    }

    /// The merchant gives a captured payment back, in whole or in part.
    pub(crate) fn create_refund(
        &mut self,
        payment_id: &str,
        draft: RefundDraft,
        now: u64,
    ) -> Result<Refund, Refusal> {
        let payment = self.payment(payment_id)?;
        if now.saturating_sub(payment.created_at) >= TOO_OLD_SECS {
            return Err(Refusal::invalid("The payment is older than six months"));
        }
        let amount = refund_amount(payment, draft.amount)?;
        let id =
            self.open_refund(payment_id, RefundDraft { amount: Some(amount), ..draft }, now)?;
        match self.rules.refunds {
            RefundMode::Processed => self.process_refund(&id, now)?,
            RefundMode::Pending => {}
            RefundMode::Failed => {
                let answer = self.refund(&id)?.clone(); // the caller still sees it pending
                self.fail_refund(&id, now)?;
                return Ok(answer);
            }
        }
        self.refund(&id).cloned()
    }

    /// A pending refund reaches the customer's bank.
    pub(crate) fn process_refund(&mut self, id: &str, now: u64) -> Result<(), Refusal> {
        let refund = self.refund_mut(id)?;
        if refund.status != RefundStatus::Pending {
            return Err(Refusal::invalid("Only a pending refund can be processed"));
        }
        refund.status = RefundStatus::Processed;
        refund.speed_processed = refund.speed_requested.map(|speed| match speed {
            Speed::Normal => ProcessedSpeed::Normal,
            Speed::Optimum => ProcessedSpeed::Instant,
        });
        self.tell_refund(EventName::RefundProcessed, id, now)
    }

    /// A refund, even a processed one, comes back: the money is the merchant's again.
    pub(crate) fn fail_refund(&mut self, id: &str, now: u64) -> Result<(), Refusal> {
        let refund = self.refund_mut(id)?;
        if refund.status == RefundStatus::Failed {
            return Err(Refusal::invalid("This refund failed already"));
        }
        refund.status = RefundStatus::Failed;
        let (payment_id, amount) = (refund.payment_id.clone(), refund.amount);
        let payment = self.payment_mut(&payment_id)?;
        payment.amount_refunded = payment.amount_refunded.less(amount);
        note_refunded(payment);
        self.tell_refund(EventName::RefundFailed, id, now)
    }

    /// The gateway itself returns a payment nobody needs.
    pub(super) fn give_back(&mut self, payment_id: &str, now: u64) -> Result<(), Refusal> {
        let amount = Some(self.payment(payment_id)?.amount);
        let id = self.open_refund(payment_id, RefundDraft { amount, ..Default::default() }, now)?;
        self.process_refund(&id, now)
    }

    fn open_refund(
        &mut self,
        payment_id: &str,
        draft: RefundDraft,
        now: u64,
    ) -> Result<String, Refusal> {
        let occurrence = self.refunds.group_len(payment_id);
        let id = self.rules.chance.id("rfnd_", payment_id, occurrence);
        let payment = self.payment_mut(payment_id)?;
        let amount = draft.amount.unwrap_or_else(|| payment.refundable());
        payment.amount_refunded = payment.amount_refunded.plus(amount);
        note_refunded(payment);
        let refund = Refund {
            id: id.clone(),
            entity: "refund",
            amount,
            currency: payment.currency.clone(),
            payment_id: payment_id.to_owned(),
            notes: draft.notes,
            receipt: draft.receipt,
            acquirer_data: BTreeMap::from([("arn", None)]),
            created_at: now,
            batch_id: None,
            status: RefundStatus::Pending,
            speed_requested: draft.speed,
            speed_processed: None,
        };
        self.refunds.insert(&id, payment_id, refund);
        self.tell_refund(EventName::RefundCreated, &id, now)?;
        Ok(id)
    }

    fn tell_refund(&mut self, name: EventName, id: &str, now: u64) -> Result<(), Refusal> {
        let refund = self.refund(id)?;
        let payment = self.payment(&refund.payment_id)?;
        let order = self.order(&payment.order_id)?;
        let event = Event::payment(name, order, payment, now).with_refund(refund);
        self.events.push(event);
        Ok(())
    }
}

fn refund_amount(payment: &Payment, asked: Option<Minor>) -> Result<Minor, Refusal> {
    match payment.status {
        PaymentStatus::Captured => {}
        PaymentStatus::Refunded => {
            return Err(Refusal::invalid("The payment was refunded in full already"));
        }
        PaymentStatus::Created | PaymentStatus::Authorized | PaymentStatus::Failed => {
            return Err(Refusal::invalid("Only a captured payment can be refunded"));
        }
    }
    let amount = asked.unwrap_or_else(|| payment.refundable());
    if amount < SMALLEST {
        return Err(Refusal::field("amount", "The amount of a refund must be at least INR 1.00"));
    }
    if amount > payment.refundable() {
        let description = "The amount is larger than what remains of the captured amount";
        return Err(Refusal::field("amount", description));
    }
    Ok(amount)
}

/// Brings the payment's own words in line with what was refunded of it.
fn note_refunded(payment: &mut Payment) {
    let full = payment.amount_refunded >= payment.amount;
    payment.refund_status = match (payment.amount_refunded == Minor::ZERO, full) {
        (true, _) => None,
        (false, true) => Some(RefundShare::Full),
        (false, false) => Some(RefundShare::Partial),
    };
    payment.status = match (full, payment.captured) {
        (true, _) => PaymentStatus::Refunded,
        (false, true) => PaymentStatus::Captured,
        (false, false) => PaymentStatus::Authorized,
    };
}
