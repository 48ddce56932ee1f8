//! Reports: what a program says about an order that it has run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What came of an order. Times are in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Workflows that ended with the right output.
    pub ended: u64,
    /// Those of them that ended while others were still started: the throughput is theirs.
    pub ended_in_time: u64,
    /// How long workflows were started.
    pub time_us: u64,
    /// From the start, or in an open loop from when it was meant to start, to the end as the
    /// starter learns it.
    pub p50_us: u64,
    /// The same, for the slowest hundredth.
    pub p99_us: u64,
    /// Workflows that failed, ended with another output, or never.
    pub errors: u64,
    /// What the first of them said.
    pub first_error: Option<String>,
}

impl Report {
    /// Sums up what the workflows of `time` came to.
    pub fn of(time: Duration, ended_in_time: u64, mut took: Vec<u64>, errors: &[String]) -> Self {
        took.sort_unstable();
        Self {
            ended: u64::try_from(took.len()).unwrap_or(u64::MAX),
            ended_in_time,
            time_us: micros(time),
            p50_us: percentile(&took, 50),
            p99_us: percentile(&took, 99),
            errors: u64::try_from(errors.len()).unwrap_or(u64::MAX),
            first_error: errors.first().cloned(),
        }
    }

    /// Workflows a second.
    pub fn per_s(&self) -> u64 {
        self.ended_in_time.saturating_mul(1_000_000).checked_div(self.time_us).unwrap_or_default()
    }
}

/// Whole microseconds.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The nearest rank: the smallest of `sorted` that is not exceeded by `percent` of them.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99)), (7, 7));
        assert_eq!((percentile(&[1, 2, 3], 50), percentile(&[], 50)), (2, 0));
    }

    #[test]
    fn throughput_counts_only_what_ended_in_time() {
        let report = Report::of(Duration::from_secs(2), 1_000, vec![5; 1_200], &[]);
        assert_eq!((report.per_s(), report.ended), (500, 1_200));
        assert_eq!(Report::default().per_s(), 0, "no time, no throughput");
    }
}
