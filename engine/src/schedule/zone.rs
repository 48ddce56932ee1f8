//! Local times and instants: where a clock is put forward, and where it is put back.
//! It knows no cron.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The instant at which a local time fires: the earlier of two where the clock is put back, the
/// first instant after the gap where it is put forward. Never goes back when `local` goes on.
pub(super) fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.with_timezone(&Utc)),
        LocalResult::None => end_of_gap(zone, local),
    }
}

/// What a clock in the zone shows at an instant.
pub(super) fn local(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// The instant at which the clock was put forward past `local`.
fn end_of_gap(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    // Gaps are an hour long, or a day where a country crossed the date line.
    let before = (1..=50).find_map(|hours| {
        let earlier = local.checked_sub_signed(TimeDelta::hours(hours))?;
        zone.from_local_datetime(&earlier).latest().map(|at| at.with_timezone(&Utc))
    })?;
    let offset = offset_secs(zone, before);
    // As if the clock had not been put forward: the gap has begun by then.
    let mut after = local.checked_sub_signed(TimeDelta::seconds(offset))?.and_utc();
    let mut before = before;
    while after.signed_duration_since(before) > TimeDelta::seconds(1) {
        let half = after.signed_duration_since(before).num_seconds() / 2;
        let middle = before.checked_add_signed(TimeDelta::seconds(half))?;
        if offset_secs(zone, middle) == offset { before = middle } else { after = middle }
    }
    Some(after)
}

fn offset_secs(zone: Tz, at: DateTime<Utc>) -> i64 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, local: &str) -> String {
        instant(zone.parse().unwrap(), local.parse().unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn a_time_that_is_skipped_is_the_end_of_its_gap() {
        for (zone, local, wanted) in [
            ("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00"),
            ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T01:00:00+00:00"),
            ("Europe/Berlin", "2026-03-29T02:59:59", "2026-03-29T01:00:00+00:00"),
            ("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00+00:00"),
            ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:00:00+00:00"),
            ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:30:00+00:00"),
            ("America/Santiago", "2026-09-06T00:00:00", "2026-09-06T04:00:00+00:00"),
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T10:00:00+00:00"),
        ] {
            assert_eq!(at(zone, local), wanted, "{local} in {zone}");
        }
    }

    #[test]
    fn a_time_that_is_repeated_is_its_first() {
        for (zone, local, wanted) in [
            ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00"),
            ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T02:00:00+00:00"),
            ("America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00+00:00"),
        ] {
            assert_eq!(at(zone, local), wanted, "{local} in {zone}");
        }
    }
}
