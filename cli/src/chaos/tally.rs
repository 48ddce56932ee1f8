//! What struck, what it met, and how long each recovery took. It judges only the waits.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use makegood::inspect::Holding;
use parking_lot::Mutex;

/// How often what was struck in the middle of what.
pub(crate) type Met = BTreeMap<String, BTreeMap<String, u64>>;

/// Everything that has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    book: Mutex<Book>,
}

/// The figures of one crowd.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// How often each fault came.
    pub(crate) struck: BTreeMap<String, u64>,
    /// What each fault met.
    pub(crate) met: Met,
    /// From the death of a worker to the next claim of each of its runs, while nothing else
    /// kept the others from it.
    pub(crate) orphans: Vec<Duration>,
    /// The same while something else did.
    pub(crate) orphans_disturbed: Vec<Duration>,
    /// From the death of the database server to a server that takes connections.
    pub(crate) restarts: Vec<Duration>,
    /// From there to the next promise to a customer.
    pub(crate) promises: Vec<Duration>,
    /// Workers that gave up and were started anew, as they ask to be.
    pub(crate) gave_up: u64,
    /// Processes that were drained for another.
    pub(crate) deployed: u64,
    /// When the way between workers and the database was out of order.
    disturbances: Vec<(Instant, Option<Instant>)>,
    /// Processes that could not hand their work over in order when they were replaced: others had
    /// to wait for the end of their leases.
    pub(crate) left_in_haste: u64,
}

impl Tally {
    /// A fault comes, of this name.
    pub(crate) fn strike(&self, fault: &str) {
        add(&mut self.book.lock().struck, fault.to_owned(), 1);
    }

    /// It meets these runs.
    pub(crate) fn meet_runs(&self, fault: &str, runs: &[Holding]) {
        for run in runs {
            self.meet(fault, place_of(run), 1);
        }
    }

    /// It meets something else, so many times.
    pub(crate) fn meet(&self, fault: &str, what: String, times: u64) {
        if times > 0 {
            add(self.book.lock().met.entry(fault.to_owned()).or_default(), what, times);
        }
    }

    /// From now on workers may not reach the database. Answers which disturbance that is.
    pub(crate) fn disturb(&self) -> usize {
        let (now, mut book) = (Instant::now(), self.book.lock());
        let number = book.disturbances.len();
        book.disturbances.push((now, None));
        number
    }

    /// A disturbance is over when `after` has passed.
    pub(crate) fn calm(&self, number: usize, after: Duration) {
        let until = Instant::now() + after;
        if let Some((_, end)) = self.book.lock().disturbances.get_mut(number) {
            *end = Some(until);
        }
    }

    /// An orphan of `died` moves again now.
    pub(crate) fn move_orphan(&self, died: Instant) {
        let (now, mut book) = (Instant::now(), self.book.lock());
        let ends_before = |end: Option<Instant>| end.is_some_and(|end| end < died);
        let mut disturbances = book.disturbances.iter();
        let is_disturbed = disturbances.any(|(from, to)| *from <= now && !ends_before(*to));
        let waits = if is_disturbed { &mut book.orphans_disturbed } else { &mut book.orphans };
        waits.push(now.duration_since(died));
    }

    /// Notes anything else.
    pub(crate) fn note(&self, write: impl FnOnce(&mut Book)) {
        write(&mut self.book.lock());
    }

    /// The whole book, to be closed.
    pub(crate) fn close(&self) -> Book {
        std::mem::take(&mut self.book.lock())
    }
}

fn add(counts: &mut BTreeMap<String, u64>, what: String, times: u64) {
    let count = counts.entry(what).or_default();
    *count = count.saturating_add(times);
}

/// Where in its workflow a run stands.
fn place_of(run: &Holding) -> String {
    let Holding { workflow, state, last, calling, .. } = run;
    let undoing = if state == "COMPENSATING" { ", undoing" } else { "" };
    match (calling, last) {
        (Some(calling), _) => format!("{workflow}: in {calling}{undoing}"),
        (None, Some(last)) => format!("{workflow}: after {last}{undoing}"),
        (None, None) => format!("{workflow}: at its start"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_counts_as_disturbed_only_if_something_else_came_between() {
        let tally = Tally::default();
        let died = Instant::now();
        tally.move_orphan(died);
        let number = tally.disturb();
        tally.move_orphan(died);
        tally.calm(number, Duration::ZERO);
        let later = Instant::now() + Duration::from_secs(1);
        tally.move_orphan(later);
        let book = tally.close();
        assert_eq!((book.orphans.len(), book.orphans_disturbed.len()), (2, 1));
    }
}
