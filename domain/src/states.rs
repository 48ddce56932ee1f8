//! The transition tables as Mermaid state diagrams, for the documentation.
//! Never drawn by hand: a test compares the printed diagrams with these.

use std::fmt::Write;

use crate::{OrderStatus, PaymentStatus, RefundStatus};

/// The order's statuses as a Mermaid `stateDiagram-v2`.
pub fn order_diagram() -> String {
    diagram(OrderStatus::ALL, &[OrderStatus::Pending], |s| (s.as_str(), s.next()))
}

/// The payment's statuses as a Mermaid `stateDiagram-v2`.
pub fn payment_diagram() -> String {
    let begins = [PaymentStatus::Pending, PaymentStatus::CodDue];
    diagram(PaymentStatus::ALL, &begins, |s| (s.as_str(), s.next()))
}

/// The refund's statuses as a Mermaid `stateDiagram-v2`.
pub fn refund_diagram() -> String {
    diagram(RefundStatus::ALL, &[RefundStatus::Pending], |s| (s.as_str(), s.next()))
}

fn diagram<S: Copy + 'static>(
    all: &[S],
    begins: &[S],
    describe: impl Fn(S) -> (&'static str, &'static [S]),
) -> String {
    let mut text = String::from("stateDiagram-v2\n");
    let mut arrow = |from: &str, to: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {from} --> {to}");
    };
    for first in begins {
        arrow("[*]", describe(*first).0);
    }
    for status in all {
        let (word, next) = describe(*status);
        for follower in next {
            arrow(word, describe(*follower).0);
        }
        if next.is_empty() {
            arrow(word, "[*]");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payment_diagram_shows_every_edge_once() {
        let wanted = "stateDiagram-v2
    [*] --> PENDING
    [*] --> COD_DUE
    PENDING --> SUCCESS
    PENDING --> FAILED
    COD_DUE --> SUCCESS
    COD_DUE --> FAILED
    SUCCESS --> PARTIALLY_REFUNDED
    SUCCESS --> REFUNDED
    FAILED --> [*]
    PARTIALLY_REFUNDED --> REFUNDED
    PARTIALLY_REFUNDED --> SUCCESS
    REFUNDED --> PARTIALLY_REFUNDED
    REFUNDED --> SUCCESS
";
        assert_eq!(payment_diagram(), wanted, "the diagram is the table");
    }

    #[test]
    fn the_order_diagram_has_an_arrow_for_each_edge_start_and_end() {
        let edges: usize = OrderStatus::ALL.iter().map(|s| s.next().len().max(1)).sum();
        assert_eq!(order_diagram().lines().count(), edges + 2, "heading, start, edges, ends");
    }
}
