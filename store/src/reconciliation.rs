//! Comparisons of the books with the gateway: their reports, and what each of them looks at.
//! Never the audit: that asks what must always hold, this asks what got lost on the way.

mod looks;
mod reports;

pub use looks::{
    Awaited, Owner, Seen, awaited_payments, late_orders, leftover_holds, orders_without_run,
    owners, unknown_captures,
};
pub use reports::{
    Begun, Finding, Reach, Reaches, Report, add_findings, begin, end, findings, report, reports,
};
