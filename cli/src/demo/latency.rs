//! Percentiles of what customers waited for.

use std::time::Duration;

use serde::Serialize;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Half and nearly all of some waits, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    /// How many waits there were.
    pub(crate) count: usize,
    /// Half of them were at most this long.
    pub(crate) p50: f64,
    /// All but one in a hundred were at most this long.
    pub(crate) p99: f64,
}

impl Latency {
    /// The percentiles of `waits`; zeros when there are none.
    pub(crate) fn of(waits: impl Iterator<Item = Duration>) -> Self {
        let mut waits: Vec<Duration> = waits.collect();
        waits.sort_unstable();
        let at = |per_cent: usize| {
            let place = waits.len().saturating_mul(per_cent).div_ceil(100).saturating_sub(1);
            // In tenths of a millisecond: finer is noise.
            let wait = waits.get(place).copied().unwrap_or_default();
            let tenths = u32::try_from(wait.as_micros() / 100).unwrap_or(u32::MAX);
            (Duration::from_micros(100).saturating_mul(tenths)).div_duration_f64(MILLISECOND)
        };
        Self { count: waits.len(), p50: at(50), p99: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_wait_that_somebody_had() {
        let waits = (1..=200).map(Duration::from_millis);
        let latency = Latency::of(waits);
        assert_eq!((latency.count, latency.p50, latency.p99), (200, 100.0, 198.0));
        assert_eq!(Latency::of(std::iter::empty()), Latency::default());
    }
}
