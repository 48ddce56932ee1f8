//! The transition tables, pair by pair.

use domain::{OrderStatus, PaymentStatus};

#[test]
fn the_order_table_is_the_documented_one() {
    use OrderStatus::*;
    let wanted: &[(OrderStatus, &[OrderStatus])] = &[
        (Pending, &[Reserved, Failed, Cancelled]),
        (Reserved, &[Paid, Confirmed, Failed, Expired, Cancelled]),
        (Paid, &[Confirmed, Shipped, Cancelled, Refunded]),
        (Confirmed, &[Shipped, Ready, Completed, Cancelled, Refunded, Paid]),
        (Ready, &[Completed, Cancelled]),
        (Shipped, &[Delivered, Failed]),
        (Failed, &[Pending, Refunded]),
        (Expired, &[Pending]),
        (Refunded, &[Paid, Confirmed, Failed]),
    ];
    for from in OrderStatus::ALL {
        for to in OrderStatus::ALL {
            let allowed = wanted.iter().any(|(f, next)| f == from && next.contains(to));
            assert_eq!(from.may_become(*to), allowed, "{from} to {to}");
        }
    }
}

#[test]
fn the_named_bad_transitions_are_refused() {
    use OrderStatus::*;
    for (from, to) in [(Delivered, Shipped), (Cancelled, Paid), (Pending, Delivered)] {
        assert!(!from.may_become(to), "{from} must not become {to}");
    }
}

#[test]
fn statuses_read_back_the_word_they_print() {
    for status in OrderStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(*status), "order word round trip");
        let json = serde_json::to_string(status).unwrap();
        assert_eq!(json, format!("\"{status}\""), "JSON spells it like the database");
    }
    for status in PaymentStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(*status), "payment word round trip");
        let json = serde_json::to_string(status).unwrap();
        assert_eq!(json, format!("\"{status}\""), "JSON spells it like the database");
    }
}
