//! The books of the world outside: each order once for each key. They know nothing of HTTP.

use std::collections::{BTreeMap, VecDeque};

use super::{Fault, Order, Receipt};

/// What costs how much, unless it is said otherwise.
const PRICES_CENTS: [(&str, u64); 3] = [("flight", 18_000), ("hotel", 24_000), ("car", 9_000)];

/// A book's name, and the customer's key.
type Place = (String, String);

#[derive(Debug)]
struct Entry {
    order: Order,
    receipt: Receipt,
}

/// The books; a key that holds nothing was called off, and stays so.
#[derive(Debug, Default)]
pub(super) struct Books {
    entries: BTreeMap<Place, Option<Entry>>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    prices: BTreeMap<String, u64>,
    last_number: u64,
}

/// What became of an order.
pub(super) enum Placed {
    Stands(Receipt),
    Refused(&'static str),
    NotNow,
    AnswerLost,
}

impl Books {
    /// The same key again has the same answer. A key that was called off is never used again, so
    /// an order that was on its way meanwhile cannot come after its undo.
    pub(super) fn place(&mut self, book: &str, key: &str, order: Order) -> Placed {
        let fault = self.faults.get_mut(&order.what).and_then(VecDeque::pop_front);
        let lost = match fault {
            Some(Fault::Refused(code)) => return Placed::Refused(code),
            Some(Fault::Busy) => return Placed::NotNow,
            Some(Fault::AnswerLost) => true,
            None => false,
        };
        let number = self.last_number.saturating_add(1);
        let entry = self.entries.entry(place(book, key)).or_insert_with(|| {
            self.last_number = number;
            Some(Entry { order, receipt: Receipt { number } })
        });
        match entry {
            None => Placed::Refused("CALLED_OFF"),
            Some(_) if lost => Placed::AnswerLost,
            Some(entry) => Placed::Stands(entry.receipt.clone()),
        }
    }

    pub(super) fn find(&self, book: &str, key: &str) -> Option<Receipt> {
        let entry = self.entries.get(&place(book, key))?.as_ref()?;
        Some(entry.receipt.clone())
    }

    pub(super) fn call_off(&mut self, book: &str, key: &str) {
        self.entries.insert(place(book, key), None);
    }

    pub(super) fn price(&self, what: &str) -> u64 {
        let usual = PRICES_CENTS.into_iter().find(|(known, _)| *known == what);
        let set = self.prices.get(what).copied();
        set.or(usual.map(|(_, cents)| cents)).unwrap_or_default()
    }

    pub(super) fn set_price(&mut self, what: &str, cents: u64) {
        self.prices.insert(what.to_owned(), cents);
    }

    pub(super) fn fail(&mut self, what: &str, faults: &[Fault]) {
        self.faults.entry(what.to_owned()).or_default().extend(faults);
    }

    pub(super) fn standing(&self) -> Vec<String> {
        let standing = self.entries.iter().filter_map(|((book, _), entry)| {
            let Order { what, whom, .. } = &entry.as_ref()?.order;
            Some(format!("{book}: {what} for {whom}"))
        });
        let mut lines: Vec<String> = standing.collect();
        lines.sort();
        lines
    }
}

fn place(book: &str, key: &str) -> Place {
    (book.to_owned(), key.to_owned())
}
