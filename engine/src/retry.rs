//! When a failed attempt is tried again. Only computes delays; it waits for nothing.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// A longer delay is none that anybody waits for.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// How long and how often an activity is tried.
///
/// ```
/// use std::time::Duration;
///
/// use makegood::RetryPolicy;
///
/// let patient = RetryPolicy { cap: Duration::from_secs(300), ..RetryPolicy::attempts(50) };
/// assert_eq!(patient.initial, RetryPolicy::default().initial);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// The delay before the second attempt.
    pub initial: Duration,
    /// What each delay is multiplied with to get the next.
    pub multiplier: f64,
    /// The longest delay.
    pub cap: Duration,
    /// After this many attempts the run is parked with an incident.
    pub max_attempts: u32,
    /// After this long since the first attempt there is no other.
    pub max_elapsed: Option<Duration>,
}

impl Default for RetryPolicy {
    /// 200 ms, doubled up to 30 s, 10 attempts: some 80 seconds of pauses.
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            multiplier: 2.0,
            cap: Duration::from_secs(30),
            max_attempts: 10,
            max_elapsed: None,
        }
    }
}

impl RetryPolicy {
    /// The default policy with another number of attempts.
    ///
    /// ```
    /// assert_eq!(makegood::RetryPolicy::attempts(3).max_attempts, 3);
    /// ```
    pub fn attempts(max_attempts: u32) -> Self {
        Self { max_attempts, ..Self::default() }
    }

    /// Always the same delay.
    ///
    /// ```
    /// # use makegood::RetryPolicy;
    /// # use std::time::Duration;
    /// let every_minute_for_a_day = RetryPolicy {
    ///     max_elapsed: Some(Duration::from_secs(86_400)),
    ///     ..RetryPolicy::every(Duration::from_secs(60))
    /// };
    /// assert_eq!(every_minute_for_a_day.max_attempts, u32::MAX);
    /// ```
    pub fn every(delay: Duration) -> Self {
        let max_attempts = u32::MAX;
        Self { initial: delay, multiplier: 1.0, cap: delay, max_attempts, max_elapsed: None }
    }

    /// The first failure is the last: a person looks.
    ///
    /// ```
    /// assert_eq!(makegood::RetryPolicy::never().max_attempts, 1);
    /// ```
    pub fn never() -> Self {
        Self::attempts(1)
    }

    /// The delay after attempt number `attempt` (from 1), with a quarter of jitter to both sides;
    /// `None` when that was the last one.
    pub(crate) fn delay(&self, attempt: u32, elapsed: Duration) -> Option<Duration> {
        if attempt >= self.max_attempts || self.max_elapsed.is_some_and(|max| elapsed >= max) {
            return None;
        }
        // Attempts are counted in the database, so the sequence is entered in its middle.
        let (cap, multiplier) = (self.cap.min(LONGEST), self.multiplier.max(1.0));
        let mut current = self.initial.min(LONGEST);
        for _ in 1..attempt {
            // Compared before it is multiplied: the product may be more than a duration holds.
            if current >= cap.div_f64(multiplier) {
                current = current.max(cap);
                break;
            }
            current = current.mul_f64(multiplier);
        }
        let mut sequence = ExponentialBackoff {
            current_interval: current,
            initial_interval: current,
            randomization_factor: 0.25,
            multiplier,
            max_interval: cap,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Some(sequence.next_backoff().unwrap_or(cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn no_attempt_follows_the_longest_time() {
        let policy = RetryPolicy {
            max_elapsed: Some(Duration::from_mins(1)),
            ..RetryPolicy::every(Duration::from_secs(1))
        };
        assert!(policy.delay(500, Duration::from_secs(59)).is_some(), "there is time left");
        assert_eq!(policy.delay(2, Duration::from_mins(1)), None, "the minute is over");
    }

    #[test]
    fn delays_grow_up_to_the_cap_and_end_with_the_last_attempt() {
        let policy = RetryPolicy::default();
        let first = policy.delay(1, NOW).expect("a second attempt");
        assert!((150..=250).contains(&first.as_millis()), "200 ms with a quarter of jitter");
        let ninth = policy.delay(9, NOW).expect("a tenth attempt");
        assert!(ninth.as_millis() >= 22_500, "capped at 30 s, less the jitter: {ninth:?}");
        assert!(ninth.as_millis() <= 37_500, "jitter stays within a quarter: {ninth:?}");
        assert_eq!(policy.delay(10, NOW), None, "the tenth attempt is the last");
    }

    #[test]
    fn a_policy_beyond_all_measure_has_a_delay() {
        for multiplier in [1e30, f64::MAX, f64::INFINITY, f64::NAN, -1.0, 0.0] {
            for initial in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
                for cap in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
                    let unbounded = RetryPolicy::every(Duration::ZERO);
                    let policy = RetryPolicy { initial, multiplier, cap, ..unbounded };
                    for attempt in [1, 2, 3, 100] {
                        let delay = policy.delay(attempt, NOW);
                        assert!(delay.is_some_and(|delay| delay <= LONGEST * 2), "{policy:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_very_late_attempt_still_waits_for_the_cap() {
        let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
        assert!(
            policy.delay(100_000, NOW).expect("never the last") >= Duration::from_millis(22_500)
        );
    }
}
