//! The database's time, as this process knows it. It asks nobody: renewals of the lease set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};

/// The database's time, estimated: for what people and programs read, never for a decision about
/// a timer. Between two renewals it goes by this process's own clock, which nobody sets.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// `None`: it stands still between two settings.
    begun: Option<Instant>,
    /// The database's time at `begun`.
    begun_at_us: Arc<AtomicI64>,
}

impl Default for Clock {
    fn default() -> Self {
        let begun_at_us = Arc::new(AtomicI64::new(Utc::now().timestamp_micros()));
        Self { begun: Some(Instant::now()), begun_at_us }
    }
}

impl Clock {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let now_us = self.begun_at_us.load(Ordering::Relaxed).saturating_add(self.elapsed_us());
        DateTime::from_timestamp_micros(now_us).unwrap_or_else(Utc::now)
    }

    pub(crate) fn set(&self, database_now: DateTime<Utc>) {
        if planted::has("time is the worker's own") {
            return;
        }
        let begun_at_us = database_now.timestamp_micros().saturating_sub(self.elapsed_us());
        self.begun_at_us.store(begun_at_us, Ordering::Relaxed);
    }

    fn elapsed_us(&self) -> i64 {
        let elapsed = self.begun.map_or(0, |begun| begun.elapsed().as_micros());
        i64::try_from(elapsed).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{SubsecRound, TimeDelta};

    use super::*;

    impl Clock {
        /// One that shows what it was set to.
        pub(crate) fn still() -> Self {
            Self { begun: None, ..Self::default() }
        }
    }

    #[test]
    fn it_goes_on_from_what_the_database_said_last() {
        let clock = Clock::default();
        let told = clock.clone();
        for hours in [1_000, -1_000] {
            let database = Utc::now().trunc_subsecs(6) + TimeDelta::hours(hours);
            told.set(database);
            let (first, second) = (clock.now(), clock.now());
            assert!(first >= database && second >= first, "it never goes back");
            assert!(first - database < TimeDelta::minutes(5), "nor ahead of the time that passes");
        }
    }
}
