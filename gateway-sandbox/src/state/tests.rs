//! The rules of the books, without a server.

use super::*;
use crate::model::{OrderStatus, PaymentStatus, RefundShare, RefundStatus};

fn books() -> State {
    State::new(Rules {
        chance: Chance::new(1),
        strict_receipts: false,
        capture: Capture::Automatic,
        refunds: RefundMode::Processed,
    })
}

fn order(state: &mut State, capture: Capture) -> String {
    let draft = OrderDraft {
        amount: Minor::new(50_000),
        currency: "INR".into(),
        receipt: Some("r-1".into()),
        notes: Notes::default(),
        capture: Some(capture),
    };
    state.create_order(draft, 1).unwrap().id
}

fn attempt(state: &mut State, order_id: &str, outcome: Outcome) -> Result<Payment, Refusal> {
    let attempt = Attempt { outcome: Some(outcome), ..Attempt::default() };
    state.attempt(order_id, attempt, 2)
}

fn names(state: &mut State) -> Vec<&'static str> {
    state.take_events().iter().map(|event| event.name.name()).collect()
}

fn part(amount: u64) -> RefundDraft {
    RefundDraft { amount: Some(Minor::new(amount)), ..RefundDraft::default() }
}

#[test]
fn an_order_goes_from_created_through_attempted_to_paid_and_counts_every_try() {
    let mut state = books();
    let id = order(&mut state, Capture::Automatic);
    assert_eq!(state.order(&id).unwrap().status, OrderStatus::Created);
    attempt(&mut state, &id, Outcome::Failed).unwrap();
    assert_eq!(state.order(&id).unwrap().status, OrderStatus::Attempted);
    attempt(&mut state, &id, Outcome::Captured).unwrap();
    let paid = state.order(&id).unwrap();
    assert_eq!((paid.status, paid.attempts), (OrderStatus::Paid, 2));
    assert_eq!((paid.amount_paid.units(), paid.amount_due.units()), (50_000, 0));
    assert_eq!(
        names(&mut state),
        ["payment.failed", "payment.authorized", "payment.captured", "order.paid"]
    );
}

#[test]
fn a_paid_order_and_one_with_an_authorized_payment_take_no_other() {
    let mut state = books();
    let id = order(&mut state, Capture::Manual);
    let first = attempt(&mut state, &id, Outcome::Authorized).unwrap();
    assert!(attempt(&mut state, &id, Outcome::Captured).is_err(), "one is authorized");
    state.capture(&first.id, first.amount, "INR", 3).unwrap();
    assert!(attempt(&mut state, &id, Outcome::Captured).is_err(), "the order is paid");
    assert_eq!(state.order(&id).unwrap().attempts, 1, "what was refused is no attempt");
}

#[test]
fn late_money_for_a_paid_order_goes_back_by_itself() {
    let mut state = books();
    let id = order(&mut state, Capture::Automatic);
    let late = attempt(&mut state, &id, Outcome::Pending).unwrap();
    attempt(&mut state, &id, Outcome::Captured).unwrap();
    let late = state.resolve_late(&late.id, Late::Captured, 9).unwrap();
    assert_eq!(late.status, PaymentStatus::Refunded);
    assert!(!late.captured, "at most one payment of an order is ever captured");
    assert_eq!(state.order(&id).unwrap().amount_paid.units(), 50_000);
}

#[test]
fn partial_refunds_add_up_to_a_full_one_and_the_order_stays_paid() {
    let mut state = books();
    let id = order(&mut state, Capture::Automatic);
    let payment = attempt(&mut state, &id, Outcome::Captured).unwrap();
    state.create_refund(&payment.id, part(20_000), 3).unwrap();
    let partly = state.payment(&payment.id).unwrap();
    assert_eq!(partly.status, PaymentStatus::Captured);
    assert_eq!(partly.refund_status, Some(RefundShare::Partial));
    assert!(state.create_refund(&payment.id, part(30_001), 3).is_err(), "more than remains");
    state.create_refund(&payment.id, RefundDraft::default(), 3).unwrap();
    let fully = state.payment(&payment.id).unwrap();
    assert_eq!(fully.status, PaymentStatus::Refunded);
    assert_eq!(fully.refund_status, Some(RefundShare::Full));
    assert!(state.create_refund(&payment.id, part(100), 3).is_err(), "nothing remains");
    assert_eq!(state.order(&id).unwrap().status, OrderStatus::Paid);
}

#[test]
fn a_pending_refund_counts_at_once_and_a_failed_one_gives_the_money_back() {
    let mut state = books();
    state.rules.refunds = RefundMode::Pending;
    let id = order(&mut state, Capture::Automatic);
    let payment = attempt(&mut state, &id, Outcome::Captured).unwrap();
    let refund = state.create_refund(&payment.id, part(50_000), 3).unwrap();
    assert_eq!(refund.status, RefundStatus::Pending);
    assert!(state.create_refund(&payment.id, part(100), 3).is_err(), "all of it is on its way");
    state.process_refund(&refund.id, 4).unwrap();
    state.fail_refund(&refund.id, 5).unwrap();
    assert!(state.fail_refund(&refund.id, 6).is_err(), "it fails once");
    let payment = state.payment(&payment.id).unwrap();
    assert_eq!((payment.status, payment.refund_status), (PaymentStatus::Captured, None));
    let told = names(&mut state);
    assert!(told.ends_with(&["refund.created", "refund.processed", "refund.failed"]), "{told:?}");
}
