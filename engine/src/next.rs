//! What happens to a run next, and when: told from how it stands. It reads and changes nothing.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::operator::RunState;
use crate::store::inspect::RunDetail;

/// A run that has been due for longer than this is not taken by anybody: workers look several
/// times a second.
const TAKEN_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// The failed attempts of a call that is tried again.
///
/// ```
/// use makegood::inspect::FailedTries;
///
/// fn words(tries: &FailedTries) -> String {
///     format!("{} attempts have failed since {}", tries.failed, tries.since)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTries {
    /// How many.
    pub failed: u32,
    /// When the first one was made.
    pub since: DateTime<Utc>,
    /// When the next one may be made.
    pub not_before: DateTime<Utc>,
}

/// What happens to a run next. It reads as a sentence.
///
/// ```
/// use makegood::inspect::Next;
///
/// let next = Next::Nothing { why: "it has reached its goal" };
/// assert_eq!((next.to_string(), next.at()), ("Nothing: it has reached its goal.".to_owned(), None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum Next {
    /// A worker is at it now.
    Runs {
        /// The worker's name and host.
        worker: String,
        /// It undoes what the run did.
        undoes: bool,
    },
    /// A call that has failed is tried again.
    TriesAgain {
        /// The step, such as `charge#0`; of an undo with `undo` before it.
        call: String,
        /// How many attempts have failed.
        failed: u32,
        /// When the next one is made.
        at: DateTime<Utc>,
    },
    /// A worker takes it when it is due.
    Due {
        /// When.
        at: DateTime<Utc>,
        /// It undoes what the run did.
        undoes: bool,
    },
    /// It is due, and nobody takes it.
    Overdue {
        /// Since when.
        since: DateTime<Utc>,
        /// How many workers there are.
        live_workers: i64,
    },
    /// It waits for something, or for a time.
    Waits {
        /// What for, such as `payment_hint#0`.
        what: Vec<String>,
        /// Until when at the latest.
        until: DateTime<Utc>,
    },
    /// Nothing, until a person has mended it.
    Mend,
    /// Nothing, until a person resumes it.
    Resume,
    /// Nothing any more.
    Nothing {
        /// Why.
        why: &'static str,
    },
}

impl Next {
    /// When it happens, where that is known.
    ///
    /// ```
    /// assert_eq!(makegood::inspect::Next::Mend.at(), None, "when a person comes");
    /// ```
    pub fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::TriesAgain { at, .. } | Self::Due { at, .. } | Self::Waits { until: at, .. } => {
                Some(*at)
            }
            Self::Runs { .. }
            | Self::Overdue { .. }
            | Self::Mend
            | Self::Resume
            | Self::Nothing { .. } => None,
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs { worker, undoes: false } => write!(f, "The worker {worker} runs it now."),
            Self::Runs { worker, undoes: true } => {
                write!(f, "The worker {worker} undoes its steps now, the last one first.")
            }
            Self::TriesAgain { call, failed, at } => {
                let (call, times) = (short(call), times(*failed));
                let number = failed.saturating_add(1);
                write!(f, "{call} has failed {times}; attempt {number} is made at {}.", time(*at))
            }
            Self::Due { at, undoes: false } => {
                write!(f, "A worker takes it when it is due, at {}.", time(*at))
            }
            Self::Due { at, undoes: true } => {
                write!(f, "A worker undoes its steps, the last one first, from {} on.", time(*at))
            }
            Self::Overdue { since, live_workers: 0 } => {
                write!(
                    f,
                    "It has been due since {}, and no worker is alive: start one.",
                    time(*since)
                )
            }
            Self::Overdue { since, .. } => write!(
                f,
                "It has been due since {}: either no live worker knows its workflow and version, \
                 or its queue is full or paused.",
                time(*since)
            ),
            Self::Waits { what, until } if what.is_empty() => {
                write!(f, "It waits, until {} at the latest.", time(*until))
            }
            Self::Waits { what, until } => {
                let what: Vec<_> = what.iter().map(|what| short(what)).collect();
                let what = what.join(" or ");
                write!(f, "It waits for {what}, until {} at the latest.", time(*until))
            }
            Self::Mend => f.write_str("Nothing, until a person has mended it."),
            Self::Resume => f.write_str("Nothing, until a person resumes it."),
            Self::Nothing { why } => write!(f, "Nothing: {why}."),
        }
    }
}

impl RunDetail {
    /// What happens to the run next, by the database's clock of when it was read.
    ///
    /// ```no_run
    /// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
    /// use makegood::inspect;
    ///
    /// if let Some(run) = inspect::detail(conn, run_id).await? {
    ///     println!("{} is {}. {}", run.workflow_id, run.state, run.next());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&self) -> Next {
        let undoes = match RunState::read(&self.state) {
            Some(RunState::Completed) => return nothing("it has reached its goal"),
            Some(RunState::Compensated) => return nothing("what its own steps did is undone"),
            Some(RunState::Closed) => return nothing("a person closed it"),
            Some(RunState::Stuck) => return Next::Mend,
            Some(RunState::Paused) => return Next::Resume,
            Some(RunState::Running | RunState::Waiting) => false,
            Some(RunState::Compensating) => true,
            None => return nothing("this program does not know its state"),
        };
        if let Some(worker) = &self.worker {
            return Next::Runs { worker: worker.clone(), undoes };
        }
        let Some(at) = self.due_at else { return nothing("nobody moves it on") };
        if at < self.read_at.checked_sub_signed(TAKEN_WITHIN).unwrap_or(at) {
            return Next::Overdue { since: at, live_workers: self.live_workers };
        }
        let soonest = self.tries.iter().min_by_key(|(_, tries)| tries.not_before);
        if let Some((call, tries)) = soonest.filter(|(_, tries)| tries.not_before <= at) {
            return Next::TriesAgain { call: call.clone(), failed: tries.failed, at };
        }
        if self.state == RunState::Waiting.as_str() && at > self.read_at {
            return Next::Waits { what: self.waits.keys().cloned().collect(), until: at };
        }
        Next::Due { at, undoes }
    }
}

fn nothing(why: &'static str) -> Next {
    Next::Nothing { why }
}

/// A call without a number that says nothing: most are the first of their name.
fn short(call: &str) -> &str {
    call.strip_suffix("#0").unwrap_or(call)
}

fn times(number: u32) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// A time to the second.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + secs, 0).unwrap()
    }

    fn run(state: &str) -> RunDetail {
        RunDetail { state: state.to_owned(), read_at: at(0), ..RunDetail::default() }
    }

    fn told(run: &RunDetail) -> String {
        run.next().to_string()
    }

    #[test]
    fn a_failed_attempt_tells_which_one_comes_and_when() {
        let mut it = run("RUNNING");
        it.due_at = Some(at(30));
        let tries = FailedTries { failed: 3, since: at(-60), not_before: at(29) };
        it.tries.insert("charge#0".to_owned(), tries);
        let words = "charge has failed 3 times; attempt 4 is made at 2027-01-15T08:00:30Z.";
        assert_eq!(told(&it), words);
    }

    #[test]
    fn what_nobody_takes_says_why() {
        let mut it = run("RUNNING");
        it.due_at = Some(at(-60));
        assert!(told(&it).contains("no worker is alive"), "{}", told(&it));
        it.live_workers = 2;
        assert!(told(&it).contains("no live worker knows its workflow"), "{}", told(&it));
        it.due_at = Some(at(-1));
        assert!(matches!(it.next(), Next::Due { .. }), "a second is no delay");
    }

    #[test]
    fn a_wait_names_what_it_waits_for_and_its_deadline() {
        let mut it = run("WAITING");
        it.due_at = Some(at(900));
        it.waits.insert("payment_hint#0".to_owned(), at(900));
        assert_eq!(it.next().at(), Some(at(900)));
        assert!(told(&it).starts_with("It waits for payment_hint, until 2027-"), "{}", told(&it));
    }

    #[test]
    fn every_state_has_a_sentence() {
        for state in RunState::ALL {
            let mut it = run(state.as_str());
            it.worker = state.is_live().then(|| "w1 on host".to_owned());
            assert_ne!(it.next(), nothing("this program does not know its state"));
            assert!(told(&it).ends_with('.'));
        }
    }
}
