//! Durable schedules: what one says of them. The ticker fires them; this does nothing by itself.

mod client;
mod due;
mod stored;
mod ticker;
mod timing;
mod zone;

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::due::Rule;
pub(crate) use self::ticker::Ticker;
pub(crate) use self::timing::Timing;
use crate::error::Error;

/// A rule for starting runs of one workflow by the clock, known by its name.
///
/// The expression has five fields (minute, hour, day of month, month, day of week), or six when it
/// begins with seconds; lists, ranges, steps, `L`, `#` and names such as `@daily` are understood.
/// It is read in UTC unless [`Schedule::in_zone`] says otherwise.
///
/// Where the hour is `*`, a schedule goes by elapsed time: an hour that the clock shows twice fires
/// twice, one that it skips does not fire. Everywhere else each local time fires once: one that
/// the clock skips as soon as it has been put forward, one that it shows twice the first time.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use makegood::{CatchUp, Overlap, Schedule};
///
/// # fn example() -> Result<(), makegood::Error> {
/// let nightly = Schedule::new("nightly books", "30 2 * * *")?
///     .in_zone("Europe/Berlin")?
///     .catch_up(CatchUp::One)
///     .overlap(Overlap::Skip);
/// // In the night of 29 March 2026 there is no half past two.
/// let evening = Utc.with_ymd_and_hms(2026, 3, 28, 20, 0, 0).unwrap();
/// let next: Vec<_> = nightly.next(2, evening).iter().map(ToString::to_string).collect();
/// assert_eq!(next, ["2026-03-29 01:00:00 UTC", "2026-03-30 00:30:00 UTC"]);
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub(crate) name: String,
    pub(crate) rule: Rule,
    pub(crate) overlap: Overlap,
    pub(crate) paused: bool,
}

/// What becomes of firings that were missed: that nobody was there to make for longer than the
/// schedule's [`Schedule::grace`].
///
/// ```
/// assert_eq!(makegood::CatchUp::default(), makegood::CatchUp::One);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// None of them is made up for, the latest neither.
    Skip,
    /// The latest is made, for all of them.
    #[default]
    One,
    /// Each is made, in order; if there are more, only the latest `at_most`.
    All {
        /// The most that are made up for.
        at_most: u32,
    },
}

/// What a firing does while the run of the one before it still lives.
///
/// ```
/// assert_eq!(makegood::Overlap::default(), makegood::Overlap::Allow);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It starts its run beside the other.
    #[default]
    Allow,
    /// It starts none.
    Skip,
}

/// The input of a workflow that a schedule starts.
///
/// ```
/// use makegood::{Ctx, Scheduled, Workflow, WorkflowResult};
///
/// struct Books;
///
/// impl Workflow for Books {
///     const NAME: &'static str = "books";
///     type Input = Scheduled<String>;
///     type Output = String;
///     async fn run(_: Ctx, Scheduled { at, input }: Self::Input) -> WorkflowResult<String> {
///         Ok(format!("the books of {input}, closed at {at}"))
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled<I> {
    /// The time of the firing by the schedule, however late its run is started.
    pub at: DateTime<Utc>,
    /// As given to [`crate::Client::schedule`].
    pub input: I,
}

/// What [`crate::Client::schedule`] found.
///
/// ```
/// assert_ne!(makegood::Kept::Created, makegood::Kept::Unchanged);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There was no schedule of this name.
    Created,
    /// There was one, and it is now as asked for.
    Changed,
    /// It was as asked for.
    Unchanged,
}

/// A schedule as it stands in the database; see [`crate::Client::schedules`].
///
/// ```no_run
/// # async fn example(client: &makegood::Client, conn: &mut sqlx::PgConnection)
/// # -> Result<(), makegood::Error> {
/// for schedule in client.schedules(conn).await? {
///     println!("{} fires at {:?}", schedule.name, schedule.next_at);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, sqlx::FromRow)]
pub struct ScheduleView {
    /// The schedule's name.
    pub name: String,
    /// The workflow that it starts.
    pub workflow: String,
    /// The expression.
    pub cron: String,
    /// The time zone.
    pub zone: String,
    /// Whether it rests until it is resumed.
    pub paused: bool,
    /// Its next firing by the rule; kept while it is paused, though it will not be made.
    pub next_at: Option<DateTime<Utc>>,
    /// Its latest firing by the rule.
    pub fired_at: Option<DateTime<Utc>>,
    /// The run of the latest firing.
    pub run_id: Option<Uuid>,
    /// How many runs it has started.
    pub fired: i64,
    /// How many firings started none because the run before still lived.
    pub overlapped: i64,
    /// Why it cannot fire any more: correct it with [`crate::Client::schedule`].
    pub fault: Option<String>,
}

/// The longest name of a schedule, in bytes.
const NAME_LIMIT: usize = 200;

impl Schedule {
    /// A schedule that fires in UTC, makes one firing for all missed, and allows overlaps.
    ///
    /// ```
    /// use makegood::{Error, Schedule};
    ///
    /// assert!(Schedule::new("nightly books", "30 2 * * *").is_ok());
    /// let never = Schedule::new("leap", "0 0 30 2 *");
    /// assert!(matches!(never, Err(Error::InvalidSchedule(_))));
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSchedule`] when the expression cannot be read or never fires, or the name
    /// is empty or longer than 200 bytes.
    pub fn new(name: &str, cron: &str) -> Result<Self, Error> {
        if name.trim().is_empty() || name.len() > NAME_LIMIT || name.contains('\0') {
            let why =
                format!("the name {name:?} is empty or too long: use up to {NAME_LIMIT} bytes");
            return Err(Error::InvalidSchedule(why));
        }
        let rule = Rule {
            timing: Timing::read(cron, Tz::UTC)?,
            catch_up: CatchUp::default(),
            jitter: Duration::ZERO,
            grace: Duration::from_mins(1),
        };
        let overlap = Overlap::default();
        Ok(Self { name: name.to_owned(), rule, overlap, paused: false })
    }

    /// Reads the expression in a time zone, by its name in the IANA database: `Europe/Berlin`.
    ///
    /// ```
    /// let local = makegood::Schedule::new("lunch", "0 12 * * *").unwrap().in_zone("Asia/Tokyo");
    /// assert!(local.is_ok());
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSchedule`] when there is no zone of that name.
    pub fn in_zone(mut self, zone: &str) -> Result<Self, Error> {
        self.rule.timing = Timing::parse(&self.rule.timing.expression, zone)?;
        Ok(self)
    }

    /// Says what becomes of missed firings; [`CatchUp::One`] unless said otherwise.
    ///
    /// ```
    /// use makegood::{CatchUp, Schedule};
    ///
    /// let each = Schedule::new("hourly", "@hourly").unwrap().catch_up(CatchUp::All { at_most: 24 });
    /// ```
    #[must_use]
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.rule.catch_up = catch_up;
        self
    }

    /// Says what a firing does while the run before it lives; [`Overlap::Allow`] unless said
    /// otherwise.
    ///
    /// ```
    /// use makegood::{Overlap, Schedule};
    ///
    /// let one_by_one = Schedule::new("sync", "* * * * *").unwrap().overlap(Overlap::Skip);
    /// ```
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Delays each firing by a time of its own, up to `most`, so that many schedules do not fire
    /// in one instant; none unless said otherwise. A firing waits for the one before it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let spread = makegood::Schedule::new("sync", "@hourly").unwrap().jitter(Duration::from_secs(300));
    /// ```
    #[must_use]
    pub fn jitter(mut self, most: Duration) -> Self {
        self.rule.jitter = most;
        self
    }

    /// How late a firing may be made without counting as missed; a minute unless said otherwise.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let strict = makegood::Schedule::new("bell", "0 8 * * *").unwrap().grace(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.rule.grace = grace;
        self
    }

    /// Creates it paused. One that exists stays as it is: a deployment does not undo what a person
    /// paused or resumed.
    ///
    /// ```
    /// let later = makegood::Schedule::new("sale", "0 0 * * 5").unwrap().paused();
    /// ```
    #[must_use]
    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }

    /// Its next `n` firings after a time, by the rule; jitter comes on top.
    ///
    /// ```
    /// use chrono::{TimeZone, Utc};
    ///
    /// let weekly = makegood::Schedule::new("weekly", "0 8 * * 1").unwrap();
    /// let friday = Utc.with_ymd_and_hms(2026, 5, 1, 12, 0, 0).unwrap();
    /// assert_eq!(weekly.next(1, friday)[0].to_string(), "2026-05-04 08:00:00 UTC");
    /// ```
    pub fn next(&self, n: usize, after: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let first = self.rule.timing.after(after);
        std::iter::successors(first, |at| self.rule.timing.after(*at)).take(n).collect()
    }
}
