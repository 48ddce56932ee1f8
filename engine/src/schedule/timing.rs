//! When a schedule fires: its cron expression in its time zone. Pure; it asks no clock.
//!
//! Where the hour is `*`, a schedule goes by elapsed time: an hour that happens twice fires twice.
//! Everywhere else it goes by the local clock, and each local time fires once: one that is skipped
//! as soon as the clock has been put forward, one that is repeated the first time.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Year};

use super::zone::{instant, local};
use crate::error::Error;

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(super) expression: String,
    pub(super) zone: Tz,
    cron: Cron,
    by_elapsed_time: bool,
}

/// No clock is put back by more.
const LONGEST_REPEAT: TimeDelta = TimeDelta::hours(3);

impl Timing {
    /// Reads an expression of five fields, or of six when it begins with seconds.
    pub(super) fn read(expression: &str, zone: Tz) -> Result<Self, Error> {
        let refused =
            |why: String| Error::InvalidSchedule(format!("the expression {expression:?}: {why}"));
        let fields = expression.split_whitespace().count();
        let cron = CronParser::builder()
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|error| refused(error.to_string()))?;
        let hour = if fields == 6 { 2 } else { 1 };
        let hour = expression.split_whitespace().nth(hour);
        let by_elapsed_time =
            hour == Some("*") || expression.trim().eq_ignore_ascii_case("@hourly");
        let timing = Self { expression: expression.trim().to_owned(), zone, cron, by_elapsed_time };
        match timing.after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(timing),
            None => Err(refused("it never fires".to_owned())),
        }
    }

    /// The same in a zone given by its name in the IANA database.
    pub(crate) fn parse(expression: &str, zone: &str) -> Result<Self, Error> {
        let unknown = |_| {
            let why = format!("there is no time zone {zone:?}: use a name such as Europe/Berlin");
            Error::InvalidSchedule(why)
        };
        Self::read(expression, zone.parse().map_err(unknown)?)
    }

    /// The first firing after a time.
    pub(super) fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.by_elapsed_time {
            let found = self.cron.find_next_occurrence(&time.with_timezone(&self.zone), false);
            return found.ok().map(|at| at.with_timezone(&Utc));
        }
        let mut shown = local(self.zone, time);
        loop {
            shown = self.next_shown(shown)?;
            if let Some(at) = instant(self.zone, shown).filter(|at| *at > time) {
                return Some(at);
            }
        }
    }

    /// The firings at or before a time, the latest first.
    pub(super) fn until(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let mut last = None::<DateTime<Utc>>;
        let mut shown = local(self.zone, time).checked_add_signed(LONGEST_REPEAT);
        std::iter::from_fn(move || {
            if self.by_elapsed_time {
                let from = last.unwrap_or(time).with_timezone(&self.zone);
                let found = self.cron.find_previous_occurrence(&from, last.is_none()).ok()?;
                last = Some(found.with_timezone(&Utc));
                return last;
            }
            loop {
                shown = self.previous_shown(shown?);
                let at = instant(self.zone, shown?)?;
                // What the clock skips is one firing, at the end of the gap.
                if at <= time && Some(at) != last {
                    last = Some(at);
                    return last;
                }
            }
        })
    }

    fn next_shown(&self, shown: NaiveDateTime) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&shown.and_utc(), false).ok().map(|at| at.naive_utc())
    }

    fn previous_shown(&self, shown: NaiveDateTime) -> Option<NaiveDateTime> {
        let whole = shown.with_nanosecond(0)?;
        // Without its fraction, the second itself has not been passed.
        let inclusive = whole != shown;
        let found = self.cron.find_previous_occurrence(&whole.and_utc(), inclusive);
        found.ok().map(|at| at.naive_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(expression: &str, zone: &str) -> Timing {
        Timing::parse(expression, zone).unwrap()
    }

    /// The firings between two times, as the local clock and its offset show them.
    fn shown(expression: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let timing = timing(expression, zone);
        let (from, to): (DateTime<Utc>, DateTime<Utc>) =
            (from.parse().unwrap(), to.parse().unwrap());
        let first = timing.after(from);
        std::iter::successors(first, |at| timing.after(*at))
            .take_while(|at| *at <= to)
            .map(|at| at.with_timezone(&timing.zone).format("%d %H:%M %z").to_string())
            .collect()
    }

    #[test]
    fn a_local_time_that_is_skipped_fires_once_when_the_clock_is_put_forward() {
        let berlin = ["Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"];
        let [zone, from, to] = berlin;
        assert_eq!(
            shown("30 2 * * *", zone, from, to),
            ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]
        );
        // All of what the clock skips, and what it shows next, is one firing.
        assert_eq!(shown("*/30 2,3 29 * *", zone, from, to), ["29 03:00 +0200", "29 03:30 +0200"]);
        let new_york = ["America/New_York", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z"];
        let [zone, from, to] = new_york;
        assert_eq!(shown("15 2 * * *", zone, from, to), ["08 03:00 -0400", "09 02:15 -0400"]);
    }

    #[test]
    fn a_local_time_that_is_repeated_fires_once_the_first_time() {
        let [zone, from, to] = ["Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"];
        assert_eq!(shown("30 2 * * *", zone, from, to), ["25 02:30 +0200", "26 02:30 +0100"]);
        assert_eq!(
            shown("*/30 2,3 25 * *", zone, from, to),
            ["25 02:00 +0200", "25 02:30 +0200", "25 03:00 +0100", "25 03:30 +0100"]
        );
        let [zone, from, to] = ["America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z"];
        assert_eq!(shown("30 1 * * *", zone, from, to), ["01 01:30 -0400", "02 01:30 -0500"]);
        // Asked in the midst of the repetition, it does not fire again.
        assert_eq!(shown("30 1 * * *", zone, "2026-11-01T06:10:00Z", to), ["02 01:30 -0500"]);
    }

    #[test]
    fn what_fires_each_hour_goes_by_elapsed_time() {
        let [zone, from, to] = ["Europe/Berlin", "2026-10-24T22:30:00Z", "2026-10-25T02:30:00Z"];
        assert_eq!(
            shown("0 * * * *", zone, from, to),
            ["25 01:00 +0200", "25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"]
        );
        let [zone, from, to] = ["America/New_York", "2026-03-08T05:30:00Z", "2026-03-08T08:30:00Z"];
        assert_eq!(
            shown("0 * * * *", zone, from, to),
            ["08 01:00 -0500", "08 03:00 -0400", "08 04:00 -0400"]
        );
        let elapsed = timing("*/10 * * * *", "Europe/Berlin");
        let mut at: DateTime<Utc> = "2026-10-24T20:00:00Z".parse().unwrap();
        for _ in 0..60 {
            let next = elapsed.after(at).unwrap();
            assert_eq!(next.signed_duration_since(at), TimeDelta::minutes(10), "after {at}");
            at = next;
        }
    }

    #[test]
    fn looking_back_finds_what_looking_ahead_found() {
        let nights = ["2026-03-07", "2026-03-28", "2026-10-03", "2026-10-24", "2026-10-31"];
        for expression in [
            "30 2 * * *",
            "*/7 1-3 * * *",
            "0 * * * *",
            "*/20 * * * *",
            "10 0 2 * * *",
            "59 23 L * *",
        ] {
            for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"] {
                let timing = timing(expression, zone);
                for night in nights {
                    let from: DateTime<Utc> = format!("{night}T12:00:00Z").parse().unwrap();
                    let to = from.checked_add_signed(TimeDelta::days(2)).unwrap();
                    let ahead: Vec<_> =
                        std::iter::successors(timing.after(from), |at| timing.after(*at))
                            .take_while(|at| *at <= to)
                            .collect();
                    let mut back: Vec<_> = timing.until(to).take_while(|at| *at > from).collect();
                    back.reverse();
                    assert_eq!(ahead, back, "{expression} in {zone} from {night}");
                    assert!(ahead.windows(2).all(|pair| pair[0] < pair[1]), "each once: {ahead:?}");
                }
            }
        }
    }

    #[test]
    fn a_time_is_not_before_itself_and_fractions_count() {
        let timing = timing("* * * * * *", "UTC");
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(timing.after(at("2026-01-01T00:00:00Z")), Some(at("2026-01-01T00:00:01Z")));
        assert_eq!(timing.after(at("2026-01-01T00:00:00.9Z")), Some(at("2026-01-01T00:00:01Z")));
        let last = |text: &str| timing.until(at(text)).next();
        assert_eq!(last("2026-01-01T00:00:00Z"), Some(at("2026-01-01T00:00:00Z")));
        assert_eq!(last("2026-01-01T00:00:00.9Z"), Some(at("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn an_expression_that_cannot_fire_is_refused_with_the_reason() {
        for (expression, why) in [
            ("", "empty"),
            ("* * * *", "5"),
            ("61 * * * *", "61"),
            ("0 0 30 2 *", "never fires"),
            ("0 0 0 1 1 * 2030", "5 or 6"),
            ("@sometimes", "@"),
        ] {
            let refused = Timing::read(expression, Tz::UTC).unwrap_err().to_string();
            assert!(refused.contains(why), "{expression:?}: {refused}");
        }
        assert!(Timing::parse("@daily", "Europe/Berlin").is_ok());
        let refused = Timing::parse("@daily", "Europe/Entenhausen").unwrap_err().to_string();
        assert!(refused.contains("Europe/Entenhausen"), "{refused}");
    }
}
