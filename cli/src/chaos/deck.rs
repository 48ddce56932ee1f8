//! Which blow comes when, by the seed alone: decks of cards that are shuffled, dealt to the last card
//! and shuffled again, so that everything comes, and about as often. It strikes nobody.

use std::{ops::RangeInclusive, time::Duration};

use serde::Serialize;

use super::wire::Trouble;
use crate::demo::scenario::draw;

/// A blow against a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blow {
    /// SIGKILL of a worker.
    KillWorker,
    /// SIGSTOP of a worker for longer than its lease, then SIGCONT.
    FreezeWorker,
    /// SIGKILL of an API process.
    KillApi,
    /// SIGSTOP of an API process, then SIGCONT.
    FreezeApi,
    /// SIGKILL of the database server's first process, then a restart.
    CrashDatabase,
}

/// The two ends of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Between {
    /// One worker and the database.
    WorkerAndDatabase,
    /// One API process and the database.
    ApiAndDatabase,
    /// One worker and the gateway.
    WorkerAndGateway,
    /// The customers and the API.
    CustomersAndApi,
    /// The gateway and the API: webhooks.
    GatewayAndApi,
}

impl Between {
    pub(crate) const ALL: [Self; 5] = [
        Self::WorkerAndDatabase,
        Self::ApiAndDatabase,
        Self::WorkerAndGateway,
        Self::CustomersAndApi,
        Self::GatewayAndApi,
    ];
}

const BLOWS: [(Blow, usize); 5] = [
    (Blow::KillWorker, 5),
    (Blow::FreezeWorker, 2),
    (Blow::KillApi, 2),
    (Blow::FreezeApi, 1),
    (Blow::CrashDatabase, 2),
];

/// The deck of the blows against processes.
pub(crate) fn blows(seed: u64) -> Deck<Blow> {
    let cards = BLOWS.iter().flat_map(|(blow, times)| std::iter::repeat_n(*blow, *times));
    Deck::new(seed, "blows", cards.collect())
}

/// The deck of the troubles of wires: each trouble of each wire.
pub(crate) fn troubles(seed: u64) -> Deck<(Between, Trouble)> {
    let of = |between| Trouble::ALL.into_iter().map(move |trouble| (between, trouble));
    Deck::new(seed, "troubles", Between::ALL.into_iter().flat_map(of).collect())
}

/// Cards without end.
#[derive(Debug)]
pub(crate) struct Deck<T> {
    seed: u64,
    name: &'static str,
    cards: Vec<T>,
    left: Vec<T>,
    dealt: u32,
}

/// A card, and what else the seed decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dealt<T> {
    pub(crate) card: T,
    seed: u64,
    number: u32,
    name: &'static str,
}

impl<T: Copy> Deck<T> {
    fn new(seed: u64, name: &'static str, cards: Vec<T>) -> Self {
        Self { seed, name, cards, left: Vec::new(), dealt: 0 }
    }

    /// The next card; `None` only from a deck without cards.
    pub(crate) fn deal(&mut self) -> Option<Dealt<T>> {
        if self.left.is_empty() {
            self.left.clone_from(&self.cards);
        }
        let draw = draw(self.seed, self.dealt, self.name);
        let left = u64::try_from(self.left.len()).ok()?;
        let place = usize::try_from(draw.checked_rem(left)?).ok()?;
        let card = self.left.swap_remove(place);
        let dealt = Dealt { card, seed: self.seed, number: self.dealt, name: self.name };
        self.dealt = self.dealt.wrapping_add(1);
        Some(dealt)
    }
}

impl<T> Dealt<T> {
    /// A time in this range of milliseconds.
    pub(crate) fn time(&self, question: &str, ms: RangeInclusive<u64>) -> Duration {
        let spread = ms.end().saturating_sub(*ms.start()).saturating_add(1);
        let draw = self.draw(question).checked_rem(spread).unwrap_or_default();
        Duration::from_millis(ms.start().saturating_add(draw))
    }

    /// One of so many.
    pub(crate) fn pick(&self, question: &str, of: usize) -> usize {
        let of = u64::try_from(of).unwrap_or(u64::MAX);
        let place = self.draw(question).checked_rem(of).unwrap_or_default();
        usize::try_from(place).unwrap_or_default()
    }

    fn draw(&self, question: &str) -> u64 {
        draw(self.seed ^ 0x5bd1, self.number, &format!("{}/{question}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn dealt<T: Copy>(mut deck: Deck<T>, cards: usize) -> Vec<T> {
        (0..cards).map(|_| deck.deal().unwrap().card).collect()
    }

    #[test]
    fn the_same_seed_deals_the_same_cards_and_times_and_another_seed_others() {
        assert_eq!(dealt(troubles(7), 60), dealt(troubles(7), 60));
        assert_ne!(dealt(troubles(7), 60), dealt(troubles(8), 60));
        let time = |seed| blows(seed).deal().unwrap().time("pause", 0..=1_000_000);
        assert_eq!(time(7), time(7));
        assert_ne!(time(7), time(8));
    }

    #[test]
    fn one_round_has_every_blow_and_every_trouble_of_every_wire() {
        for seed in 0..50 {
            let seen: BTreeSet<_> = dealt(troubles(seed), 25).into_iter().collect();
            assert_eq!(seen.len(), 25, "each pair once, seed {seed}");
            let seen: BTreeSet<_> = dealt(blows(seed), 12).into_iter().collect();
            assert_eq!(seen.len(), BLOWS.len(), "each blow, seed {seed}");
        }
    }

    #[test]
    fn times_and_picks_stay_in_their_range() {
        let mut deck = blows(3);
        for _ in 0..500 {
            let card = deck.deal().unwrap();
            let time = card.time("pause", 200..=300);
            assert!((200..=300).contains(&time.as_millis()), "{time:?}");
            assert!(card.pick("whom", 3) < 3);
        }
    }
}
