//! Arithmetic of figures: rates, shares and percentiles. Nothing here measures.

use std::time::Duration;

use serde::Serialize;

const MILLISECOND: Duration = Duration::from_millis(1);

/// So many things in so much time.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how long.
    pub elapsed: Duration,
}

impl Rate {
    /// How many a second.
    pub fn per_s(self) -> f64 {
        let elapsed = self.elapsed.max(Duration::from_nanos(1));
        rounded(Duration::from_secs(self.count).div_duration_f64(elapsed))
    }
}

/// `of` for each of `to`; 0 when there are none.
pub fn each(of: u64, to: u64) -> f64 {
    if to == 0 {
        return 0.0;
    }
    rounded(Duration::from_nanos(of).div_duration_f64(Duration::from_nanos(to)))
}

/// Milliseconds for each of `to`.
pub fn ms_each(time: Duration, to: u64) -> f64 {
    let to = u32::try_from(to.max(1)).unwrap_or(u32::MAX);
    rounded(time.div_duration_f64(MILLISECOND.saturating_mul(to)))
}

/// How many times `of` is `to`.
#[expect(clippy::float_arithmetic, reason = "a ratio of two figures, for people")]
pub fn times(of: f64, to: f64) -> f64 {
    if to > 0.0 { rounded(of / to) } else { 0.0 }
}

/// Four significant digits, or whole numbers above that: more would be noise.
fn rounded(exact: f64) -> f64 {
    let text = match exact {
        0.0..0.1 => format!("{exact:.5}"),
        0.1..1.0 => format!("{exact:.4}"),
        1.0..10.0 => format!("{exact:.3}"),
        10.0..100.0 => format!("{exact:.2}"),
        100.0..1_000.0 => format!("{exact:.1}"),
        _ => format!("{exact:.0}"),
    };
    text.parse().unwrap_or(exact)
}

/// Half, nearly all and all but the worst of some waits, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many waits there were.
    pub count: usize,
    /// Half of them were at most this long.
    pub p50: f64,
    /// All but one in twenty were at most this long.
    pub p95: f64,
    /// All but one in a hundred were at most this long.
    pub p99: f64,
    /// All but one in a thousand were at most this long.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    /// The percentiles of `waits`, each a wait that somebody had; zeros when there are none.
    pub fn of(waits: impl IntoIterator<Item = Duration>) -> Self {
        let mut waits: Vec<Duration> = waits.into_iter().collect();
        waits.sort_unstable();
        let at = |per_mille: usize| {
            let place = waits.len().saturating_mul(per_mille).div_ceil(1_000).saturating_sub(1);
            // In hundredths of a millisecond: finer is noise.
            let wait = waits.get(place).copied().unwrap_or_default();
            let hundredths = u32::try_from(wait.as_micros() / 10).unwrap_or(u32::MAX);
            Duration::from_micros(10).saturating_mul(hundredths).div_duration_f64(MILLISECOND)
        };
        let (p50, p95, p99, p999) = (at(500), at(950), at(990), at(999));
        Self { count: waits.len(), p50, p95, p99, p999, max: at(1_000) }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "they are rounded to what is written here")]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_wait_that_somebody_had() {
        let waits = (1..=2_000).rev().map(Duration::from_millis);
        let found = Percentiles::of(waits);
        assert_eq!((found.count, found.p50, found.p99), (2_000, 1_000.0, 1_980.0));
        assert_eq!((found.p999, found.max), (1_998.0, 2_000.0));
    }

    #[test]
    fn few_waits_have_their_worst_as_their_high_percentiles() {
        let found = Percentiles::of([3, 1, 2].map(Duration::from_millis));
        assert_eq!((found.p50, found.p99, found.p999, found.max), (2.0, 3.0, 3.0, 3.0));
        assert_eq!(Percentiles::of([]), Percentiles::default(), "none are zeros, and no panic");
        let alone = Percentiles::of([Duration::from_micros(1_237)]);
        assert_eq!((alone.p50, alone.max), (1.23, 1.23), "cut to hundredths of a millisecond");
    }

    #[test]
    fn rates_and_shares_keep_four_digits_and_never_divide_by_nothing() {
        let rate = Rate { count: 20_000, elapsed: Duration::from_millis(1_500) };
        assert_eq!(rate.per_s(), 13_333.0);
        assert_eq!(each(3, 7), 0.4286);
        assert_eq!(each(3, 0), 0.0);
        assert_eq!(ms_each(Duration::from_secs(1), 4_000), 0.25);
        assert_eq!(times(30.0, 12.0), 2.5);
        assert_eq!(times(30.0, 0.0), 0.0);
    }
}
