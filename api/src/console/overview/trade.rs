//! How the shop's trade goes: orders by status, what failed, what is late, and what runs short.

use chrono::{DateTime, Utc};
use store::figures::{self, Figures};

use crate::console::moment::{Moment, number};

/// The trade as the overview shows it.
pub(super) struct Trade {
    /// Orders of the last day: their status in words, and how many.
    pub(super) orders: Vec<(String, String)>,
    pub(super) failed_payments: String,
    pub(super) failed_refunds: String,
    pub(super) expiring: String,
    /// How many holds should have ended already, and since when the first.
    pub(super) overdue: Option<(String, Moment)>,
    pub(super) scarce: Vec<Scarce>,
    pub(super) newest: String,
    pub(super) few: i64,
}

/// A product of which few units are available.
pub(super) struct Scarce {
    pub(super) tenant: String,
    pub(super) sku: String,
    pub(super) units: String,
    pub(super) is_gone: bool,
}

impl Trade {
    pub(super) fn new(figures: Figures, now: DateTime<Utc>) -> Self {
        let order = |(status, count): (String, i64)| (status.to_lowercase(), number(count));
        let scarce = |(tenant, sku, units): (String, String, i64)| Scarce {
            tenant,
            sku,
            units: number(units),
            is_gone: units == 0,
        };
        let since = figures.overdue_since.map(|since| Moment::new(since, now));
        Self {
            orders: figures.orders.into_iter().map(order).collect(),
            failed_payments: number(figures.failed_payments),
            failed_refunds: number(figures.failed_refunds),
            expiring: number(figures.expiring),
            overdue: since.map(|since| (number(figures.overdue), since)),
            scarce: figures.scarce.into_iter().map(scarce).collect(),
            newest: number(figures::NEWEST),
            few: figures::FEW_UNITS,
        }
    }
}
