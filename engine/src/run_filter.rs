//! Which runs a list shows: terms that narrow it, an order, and where it goes on. It reads nothing.
//!
//! Written and read as a URL's query, by itself: the console's address and the command line say
//! the same words.

mod grammar;
mod term;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operator::RunState;

pub use grammar::FilterError;
use grammar::length_words;

/// The most runs on one page.
const LONGEST_PAGE: u32 = 500;
/// Runs on a page, unless said otherwise.
const PAGE: u32 = 50;

/// Which runs, in which order, from where on.
///
/// Terms of one kind widen each other (`state=STUCK&state=PAUSED`), those of different kinds narrow
/// the list; `not.` before a key turns a term around.
///
/// ```
/// use makegood::RunFilter;
///
/// let filter: RunFilter =
///     "state=STUCK&workflow=checkout&not.tenant=grocery&quiet_for=1h&sort=started".parse().unwrap();
/// assert_eq!(filter.terms.len(), 4);
/// assert_eq!(filter.to_string().parse(), Ok(filter));
/// assert!("state=STOCK".parse::<RunFilter>().is_err(), "a word that means nothing is told");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunFilter {
    /// What narrows the list.
    pub terms: Vec<Term>,
    /// Which runs come first.
    pub order: Order,
    /// The run behind which the page begins: the last one of the page before.
    pub after: Option<Uuid>,
    /// Runs on a page: 1 to 500, 50 unless said otherwise.
    pub limit: u32,
}

impl Default for RunFilter {
    fn default() -> Self {
        Self { terms: Vec::new(), order: Order::default(), after: None, limit: PAGE }
    }
}

/// Which runs come first.
///
/// ```
/// let oldest: makegood::RunFilter = "sort=started".parse().unwrap();
/// assert_eq!(oldest.order, makegood::Order::OldestFirst);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Those started last; `sort=-started`.
    #[default]
    NewestFirst,
    /// Those started first; `sort=started`.
    OldestFirst,
}

/// Something that narrows a list.
///
/// ```
/// use makegood::{RunFilter, Term, What};
///
/// let filter = RunFilter::default().with(Term::not(What::Workflow("refund".into())));
/// assert_eq!(filter.to_string(), "not.workflow=refund");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Whether those of which it is true are left out.
    pub not: bool,
    /// What must be true of a run.
    pub what: What,
}

/// What may be true of a run.
///
/// ```
/// assert_eq!(makegood::What::Class("poison".into()).key(), "class");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is in this state: `state=STUCK`, `state=RETRYING`.
    State(Shown),
    /// It is of this workflow: `workflow=checkout`.
    Workflow(String),
    /// It was started with this attribute: `attr.customer=81`; `tenant=x` is `attr.tenant=x`.
    Attribute(String, String),
    /// Its workflow id or its own id is this, or, where no run has it, its workflow id begins with
    /// it: `id=checkout:`.
    Id(String),
    /// Its open incident is of this class: `class=poison`.
    Class(String),
    /// Its open incident is of this group: `fingerprint=...`.
    Fingerprint(String),
    /// Its open incident, or why it was made good, has this text: `error=timeout`.
    Error(String),
    /// It lives, and nothing was recorded of it for so long: `quiet_for=1h`.
    QuietFor(Duration),
    /// It was started then or later: `since=2h`, `since=2026-05-01T00:00:00Z`.
    Since(When),
    /// It was started before: `until=...`.
    Until(When),
    /// It ended then or later: `ended_since=...`.
    EndedSince(When),
    /// It ended before: `ended_until=...`.
    EndedUntil(When),
}

/// A state as a list tells it: one of the eight, or what several have in common.
///
/// ```
/// assert_eq!(makegood::Shown::Retrying.as_str(), "RETRYING");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// This very state.
    Is(RunState),
    /// A step of it failed, and is to be tried again.
    Retrying,
    /// It is stuck, or paused: it goes on by nobody but a person.
    NeedsAttention,
    /// It has not ended.
    Live,
    /// It has ended.
    Ended,
}

/// A time: fixed, or so long before whenever it is asked.
///
/// ```
/// use makegood::{RunFilter, Term, What, When};
///
/// let lately: RunFilter = "since=2h".parse().unwrap();
/// let two_hours = When::Ago(std::time::Duration::from_secs(7_200));
/// assert_eq!(lately.terms, [Term::is(What::Since(two_hours))]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This time.
    At(DateTime<Utc>),
    /// So long ago.
    Ago(Duration),
}

impl When {
    /// The time that it means at `now`.
    ///
    /// ```
    /// let now = chrono::Utc::now();
    /// assert_eq!(makegood::When::Ago(std::time::Duration::ZERO).at(now), now);
    /// ```
    pub fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(length) => chrono::TimeDelta::from_std(length)
                .ok()
                .and_then(|length| now.checked_sub_signed(length))
                .unwrap_or(DateTime::UNIX_EPOCH),
        }
    }
}

impl RunFilter {
    /// These, and one term more, from the beginning. A term that is there already is not repeated.
    ///
    /// ```
    /// use makegood::{RunFilter, Term, What};
    ///
    /// let term = Term::is(What::Class("poison".into()));
    /// let filter = RunFilter::default().with(term.clone());
    /// assert_eq!(filter.clone().with(term), filter);
    /// ```
    #[must_use]
    pub fn with(mut self, term: Term) -> Self {
        if !self.terms.contains(&term) {
            self.terms.push(term);
        }
        Self { after: None, ..self }
    }

    /// These without one term, from the beginning.
    ///
    /// ```
    /// use makegood::RunFilter;
    ///
    /// let filter: RunFilter = "state=STUCK&workflow=checkout".parse().unwrap();
    /// let stuck = filter.terms[0].clone();
    /// assert_eq!(filter.without(&stuck).to_string(), "workflow=checkout");
    /// ```
    #[must_use]
    pub fn without(mut self, term: &Term) -> Self {
        self.terms.retain(|other| other != term);
        Self { after: None, ..self }
    }

    /// The page behind this run.
    ///
    /// ```
    /// let next = makegood::RunFilter::default().behind(uuid::Uuid::from_u128(1));
    /// assert!(next.to_string().starts_with("after="));
    /// ```
    #[must_use]
    pub fn behind(self, run: Uuid) -> Self {
        Self { after: Some(run), ..self }
    }
}
