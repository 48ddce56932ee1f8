//! Where a time is on the drawing. A pause of a quarter of an hour must leave room for steps of a
//! millisecond: a time between two events is drawn as long as its logarithm.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

/// What one doubling of a time is worth.
const DOUBLING: i64 = 16;

/// The times of a drawing, each with its place from left to right.
#[derive(Debug)]
pub(super) struct Scale {
    places: Vec<(i64, i64)>,
}

impl Scale {
    /// Spreads the times over `width`, beginning at `left`.
    pub(super) fn new(times: &BTreeSet<DateTime<Utc>>, left: i64, width: i64) -> Self {
        let mut places: Vec<(i64, i64)> = Vec::new();
        let mut so_far = 0;
        for at in times.iter().map(DateTime::timestamp_millis) {
            so_far += places.last().map_or(0, |(before, _)| weight(at - before));
            places.push((at, so_far));
        }
        let whole = so_far.max(1);
        for (_, place) in &mut places {
            *place = left + *place * width / whole;
        }
        Self { places }
    }

    /// The place of one of the times.
    pub(super) fn x(&self, at: DateTime<Utc>) -> i64 {
        let at = at.timestamp_millis();
        let after = self.places.partition_point(|(time, _)| *time < at);
        let place = self.places.get(after).or(self.places.last());
        place.map_or(0, |(_, x)| *x)
    }

    /// Times that are at least `apart` from each other, for the axis.
    pub(super) fn ticks(&self, apart: i64) -> Vec<(i64, i64)> {
        let mut ticks: Vec<(i64, i64)> = Vec::new();
        for (at, x) in &self.places {
            if ticks.last().is_none_or(|(_, before)| x - before >= apart) {
                ticks.push((*at, *x));
            }
        }
        ticks
    }
}

/// How wide a time is: nothing for none, and longer is wider.
fn weight(ms: i64) -> i64 {
    let Some(doublings) = (ms + 1).checked_ilog2().filter(|_| ms > 0) else { return 0 };
    let power = 1_i64 << doublings;
    DOUBLING * i64::from(doublings) + (ms + 1 - power) * DOUBLING / power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn longer_is_never_narrower() {
        let mut before = -1;
        for ms in [0, 1, 2, 3, 7, 15, 100, 999, 60_000, 900_000, 86_400_000] {
            assert!(weight(ms) > before, "{ms} ms is wider than what is shorter");
            before = weight(ms);
        }
    }

    #[test]
    fn a_quarter_of_an_hour_leaves_room_for_a_step_of_ten_milliseconds() {
        let scale = Scale::new(&[at(0), at(10), at(900_010)].into(), 100, 600);
        assert_eq!((scale.x(at(0)), scale.x(at(900_010))), (100, 700), "from edge to edge");
        assert!(scale.x(at(10)) > 180, "the step is seen: {}", scale.x(at(10)));
    }

    #[test]
    fn times_that_are_equal_are_at_one_place_and_one_time_is_no_division_by_zero() {
        let scale = Scale::new(&[at(5)].into(), 100, 600);
        assert_eq!((scale.x(at(5)), scale.x(at(9))), (100, 100));
    }

    #[test]
    fn the_axis_has_no_two_labels_over_each_other() {
        let times: BTreeSet<_> = (0..1_000).map(at).collect();
        let ticks = Scale::new(&times, 0, 600).ticks(80);
        let near = ticks.windows(2).any(|pair| pair[1].1 - pair[0].1 < 80);
        assert!(!near && ticks.len() > 3, "{ticks:?}");
    }
}
