//! The gateway's books: every order, payment and refund, and which may follow which.
//! Pure and synchronous: no clock, no network; what happened is left in `take_events`.

mod charging;
mod refunding;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde_json::Value;

pub(crate) use self::{
    charging::{Attempt, Late, Outcome},
    refunding::RefundDraft,
};
use crate::{
    chance::Chance,
    config::RefundMode,
    event::Event,
    model::{Capture, Minor, Notes, Order, OrderStatus, Payment, Refund},
    refusal::Refusal,
    table::Table,
};

const SMALLEST_INR: Minor = Minor::new(100);

/// What an order is asked to be.
#[derive(Clone, Debug)]
pub(crate) struct OrderDraft {
    pub(crate) amount: Minor,
    pub(crate) currency: String,
    pub(crate) receipt: Option<String>,
    pub(crate) notes: Notes,
    pub(crate) capture: Option<Capture>,
}

/// The account's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) chance: Chance,
    pub(crate) strict_receipts: bool,
    pub(crate) capture: Capture,
    pub(crate) refunds: RefundMode,
}

/// Everything the gateway knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rules: Rules,
    /// Grouped by receipt.
    pub(crate) orders: Table<Order>,
    /// Grouped by order.
    pub(crate) payments: Table<Payment>,
    /// Grouped by payment.
    pub(crate) refunds: Table<Refund>,
    refund_keys: HashMap<String, (Value, Refund)>,
    events: Vec<Event>,
}

impl State {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            orders: Table::default(),
            payments: Table::default(),
            refunds: Table::default(),
            refund_keys: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// What happened since the last time, oldest first.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn create_order(&mut self, draft: OrderDraft, now: u64) -> Result<Order, Refusal> {
        check_currency(&draft.currency)?;
        check_amount(draft.amount, &draft.currency)?;
        let group = draft.receipt.clone().unwrap_or_default();
        let occurrence = self.orders.group_len(&group);
        if self.rules.strict_receipts && draft.receipt.is_some() && occurrence > 0 {
            return Err(Refusal::field("receipt", "An order with this receipt exists already"));
        }
        let order = Order {
            id: self.rules.chance.id("order_", &group, occurrence),
            entity: "order",
            amount: draft.amount,
            amount_paid: Minor::ZERO,
            amount_due: draft.amount,
            currency: draft.currency,
            receipt: draft.receipt,
            offer_id: None,
            status: OrderStatus::Created,
            attempts: 0,
            notes: draft.notes,
            created_at: now,
            capture: draft.capture.unwrap_or(self.rules.capture),
        };
        self.orders.insert(&order.id, &group, order.clone());
        Ok(order)
    }

    pub(crate) fn order(&self, id: &str) -> Result<&Order, Refusal> {
        self.orders.get(id).ok_or_else(Refusal::unknown_id)
    }

    pub(crate) fn payment(&self, id: &str) -> Result<&Payment, Refusal> {
        self.payments.get(id).ok_or_else(Refusal::unknown_id)
    }

    pub(crate) fn refund(&self, id: &str) -> Result<&Refund, Refusal> {
        self.refunds.get(id).ok_or_else(Refusal::unknown_id)
    }

    pub(crate) fn order_mut(&mut self, id: &str) -> Result<&mut Order, Refusal> {
        self.orders.get_mut(id).ok_or_else(Refusal::unknown_id)
    }

    pub(crate) fn payment_mut(&mut self, id: &str) -> Result<&mut Payment, Refusal> {
        self.payments.get_mut(id).ok_or_else(Refusal::unknown_id)
    }

    pub(crate) fn refund_mut(&mut self, id: &str) -> Result<&mut Refund, Refusal> {
        self.refunds.get_mut(id).ok_or_else(Refusal::unknown_id)
    }

    /// The order behind any id of ours, if there is one.
    pub(crate) fn order_behind(&self, id: &str) -> Option<&Order> {
        let payment_id = self.refunds.get(id).map_or(id, |refund| refund.payment_id.as_str());
        let order_id =
            self.payments.get(payment_id).map_or(id, |payment| payment.order_id.as_str());
        self.orders.get(order_id)
    }
}

fn check_currency(currency: &str) -> Result<(), Refusal> {
    if currency.len() == 3 && currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(Refusal::field("currency", "The currency must be three upper-case letters"))
}

fn check_amount(amount: Minor, currency: &str) -> Result<(), Refusal> {
    let smallest = if currency == "INR" { SMALLEST_INR } else { Minor::new(1) };
    if amount < smallest {
        let description = format!("The amount must be at least {currency} 1.00");
        return Err(Refusal::field("amount", description));
    }
    let three_decimals = matches!(currency, "KWD" | "BHD" | "OMR");
    if three_decimals && !amount.units().is_multiple_of(10) {
        return Err(Refusal::field("amount", "The last of three decimals must be 0"));
    }
    Ok(())
}
