//! Which firings of a schedule are due, which were missed, and what becomes of them. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{CatchUp, Timing};

/// Firings made in one transaction; the rest follows in the next.
const BATCH: usize = 100;

/// When a schedule fires, and what it does about what was missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) timing: Timing,
    pub(crate) catch_up: CatchUp,
    pub(crate) jitter: Duration,
    pub(crate) grace: Duration,
}

/// A firing: by the rule, and when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Firing {
    pub(crate) at: DateTime<Utc>,
    pub(crate) due: DateTime<Utc>,
}

/// What is to be done about a schedule now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The firings to make, in order.
    pub(crate) fire: Vec<DateTime<Utc>>,
    /// Whether firings were missed that are not made up for.
    pub(crate) dropped: bool,
    /// The first that is not made yet; `None` when there is none for ever.
    pub(crate) next: Option<Firing>,
}

impl Rule {
    /// The firing of the schedule `name` at `at`. Its jitter is the same whoever computes it.
    pub(crate) fn firing(&self, name: &str, at: DateTime<Utc>) -> Firing {
        let jitter_ms = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        let chance = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{name} {at}").as_bytes());
        let delay = chance.as_u64_pair().0 % jitter_ms.saturating_add(1);
        let delay = TimeDelta::milliseconds(i64::try_from(delay).unwrap_or(0));
        Firing { at, due: at.checked_add_signed(delay).unwrap_or(at) }
    }

    /// The first firing of the schedule `name` after a time.
    pub(crate) fn first_after(&self, name: &str, time: DateTime<Utc>) -> Option<Firing> {
        self.timing.after(time).map(|at| self.firing(name, at))
    }

    /// What is due at `now`, where `from` is the first firing that was not made yet.
    pub(crate) fn due(&self, name: &str, from: DateTime<Utc>, now: DateTime<Utc>) -> Due {
        let patience = self.grace.saturating_add(self.jitter);
        let late = TimeDelta::from_std(patience).ok().and_then(|late| now.checked_sub_signed(late));
        // Firings up to the edge were missed; those behind it are on time.
        let edge = late.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let (mut fire, dropped) =
            if from <= edge { self.missed(from, edge) } else { (vec![], false) };
        let mut next = if from > edge { Some(from) } else { self.timing.after(edge) };
        while let Some(at) = next.filter(|at| self.firing(name, *at).due <= now) {
            if fire.len() >= BATCH {
                break;
            }
            fire.push(at);
            next = self.timing.after(at);
        }
        if let Some(first_left) = fire.get(BATCH).copied() {
            fire.truncate(BATCH);
            next = Some(first_left);
        }
        Due { fire, dropped, next: next.map(|at| self.firing(name, at)) }
    }

    /// The missed firings that are made up for, in order, and whether there are others.
    fn missed(&self, from: DateTime<Utc>, edge: DateTime<Utc>) -> (Vec<DateTime<Utc>>, bool) {
        let at_most = match self.catch_up {
            CatchUp::Skip => 0,
            CatchUp::One => 1,
            CatchUp::All { at_most } => usize::try_from(at_most).unwrap_or(usize::MAX),
        };
        let mut missed = self.timing.until(edge).take_while(|at| *at >= from);
        let mut kept: Vec<_> = missed.by_ref().take(at_most).collect();
        kept.reverse();
        (kept, missed.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Schedule;
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// The times of day that are made at `now`, when the first not made was at 10:00.
    fn fired(schedule: &Schedule, now: &str) -> (Vec<String>, bool, String) {
        let due = schedule.rule.due("s", at("2026-05-05T10:00:00Z"), at(now));
        let fire = due.fire.iter().map(|at| at.format("%H:%M").to_string()).collect();
        (fire, due.dropped, due.next.unwrap().at.format("%H:%M").to_string())
    }

    fn hourly(catch_up: CatchUp) -> Schedule {
        Schedule::new("s", "0 * * * *").unwrap().catch_up(catch_up)
    }

    #[test]
    fn a_firing_within_its_grace_was_not_missed() {
        for catch_up in [CatchUp::Skip, CatchUp::One, CatchUp::All { at_most: 0 }] {
            let (fire, dropped, next) = fired(&hourly(catch_up), "2026-05-05T10:00:59Z");
            assert_eq!((fire, dropped, next.as_str()), (vec!["10:00".to_owned()], false, "11:00"));
        }
    }

    #[test]
    fn nothing_is_made_early() {
        let (fire, dropped, next) = fired(&hourly(CatchUp::One), "2026-05-05T09:59:59.999Z");
        assert_eq!((fire, dropped, next.as_str()), (vec![], false, "10:00"));
    }

    #[test]
    fn missed_firings_are_skipped_or_made_once_or_all_made() {
        let now = "2026-05-05T13:00:02Z";
        let of = |catch_up| fired(&hourly(catch_up), now);
        let times = |times: &[&str]| times.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let next = "14:00".to_owned();
        assert_eq!(of(CatchUp::Skip), (times(&["13:00"]), true, next.clone()), "13:00 is on time");
        assert_eq!(of(CatchUp::One), (times(&["12:00", "13:00"]), true, next.clone()));
        let two = CatchUp::All { at_most: 2 };
        assert_eq!(of(two), (times(&["11:00", "12:00", "13:00"]), true, next.clone()));
        let all = CatchUp::All { at_most: 9 };
        assert_eq!(of(all), (times(&["10:00", "11:00", "12:00", "13:00"]), false, next));
    }

    #[test]
    fn many_firings_are_made_in_batches_and_none_twice() {
        let often = Schedule::new("s", "* * * * * *").unwrap();
        let often = often.catch_up(CatchUp::All { at_most: 1_000 });
        let now = at("2026-05-05T10:10:00Z");
        let mut from = at("2026-05-05T10:00:00Z");
        let mut made = Vec::new();
        for _ in 0..7 {
            let due = often.rule.due("s", from, now);
            assert!(due.fire.len() <= BATCH && !due.dropped);
            made.extend(due.fire);
            from = due.next.unwrap().at;
        }
        let wanted: Vec<_> = often.next(601, at("2026-05-05T09:59:59Z"));
        assert_eq!(made, wanted, "each second once, in order");
    }

    #[test]
    fn a_year_of_missed_seconds_is_one_firing() {
        let often = Schedule::new("s", "* * * * * *").unwrap();
        let due = often.rule.due("s", at("2025-05-05T10:00:00Z"), at("2026-05-05T10:00:00Z"));
        assert_eq!(
            due.fire.first(),
            Some(&at("2026-05-05T09:59:00Z")),
            "the latest that was missed"
        );
        assert_eq!(due.fire.len(), 61, "and those within the grace");
    }

    #[test]
    fn jitter_delays_within_its_bound_and_alike_everywhere() {
        let schedule = hourly(CatchUp::One).jitter(Duration::from_mins(10));
        let times = schedule.next(200, at("2026-05-05T00:00:00Z"));
        let delay = |at: &DateTime<Utc>| {
            let firing = schedule.rule.firing("s", *at);
            assert_eq!(firing, schedule.rule.firing("s", *at));
            firing.due.signed_duration_since(*at).num_seconds()
        };
        let delays: Vec<i64> = times.iter().map(delay).collect();
        assert!(delays.iter().all(|secs| (0..=600).contains(secs)), "{delays:?}");
        assert!(delays.iter().max() > Some(&500) && delays.iter().min() < Some(&100), "{delays:?}");
    }
}
