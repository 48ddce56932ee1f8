//! The life of a run as tables: which state may follow which, and what moves a run on in each.
//! It decides nothing: a test compares it with what the database sees while runs live and end.

use crate::operator::RunState;

/// What moves a live run on: it has exactly one of these at any time, and a constraint of the
/// database says so. A run without one would be stuck and nobody would know.
///
/// ```
/// use makegood::RunState;
/// use makegood::inspect::Mover;
///
/// assert_eq!(RunState::Stuck.movers(), [Mover::Person], "nobody else gets it going");
/// assert!(!Mover::Person.next().contains(&Mover::Worker), "it is queued first");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mover {
    /// The worker that holds it, by its lease: `owner` is set.
    Worker,
    /// A time at which it is claimed, a deadline among them: `due_at` is set.
    Clock,
    /// A person who resolves its open incident: `incident_id` is set.
    Person,
}

impl Mover {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Worker, Self::Clock, Self::Person];

    /// The column of the run's row in the queue that says so.
    ///
    /// ```
    /// assert_eq!(makegood::inspect::Mover::Person.column(), "incident_id");
    /// ```
    pub const fn column(self) -> &'static str {
        match self {
            Self::Worker => "owner",
            Self::Clock => "due_at",
            Self::Person => "incident_id",
        }
    }

    /// What may move the run on next, if it does not end.
    ///
    /// ```
    /// use makegood::inspect::Mover;
    ///
    /// assert_eq!(Mover::Person.next(), [Mover::Clock], "a verb puts it back into the queue");
    /// ```
    pub const fn next(self) -> &'static [Self] {
        match self {
            // It parks, is handed back or taken over; or it gets stuck or is paused.
            Self::Worker => &[Self::Clock, Self::Person],
            // It is claimed, or paused while nobody holds it.
            Self::Clock => &[Self::Worker, Self::Person],
            // A verb puts it back into the queue.
            Self::Person => &[Self::Clock],
        }
    }
}

impl RunState {
    /// Whether the run has not ended.
    ///
    /// ```
    /// assert!(makegood::RunState::Stuck.is_live() && !makegood::RunState::Closed.is_live());
    /// ```
    pub const fn is_live(self) -> bool {
        !self.movers().is_empty()
    }

    /// What moves a run in this state on; nothing moves one that has ended.
    ///
    /// ```
    /// use makegood::RunState;
    /// use makegood::inspect::Mover;
    ///
    /// assert_eq!(RunState::Waiting.movers(), [Mover::Clock], "its deadline, or a signal, makes it due");
    /// ```
    pub const fn movers(self) -> &'static [Mover] {
        match self {
            Self::Running | Self::Compensating => &[Mover::Worker, Mover::Clock],
            Self::Waiting => &[Mover::Clock],
            Self::Stuck | Self::Paused => &[Mover::Person],
            Self::Completed | Self::Compensated | Self::Closed => &[],
        }
    }

    /// The states that may follow this one. A run that is being made good goes forward again when
    /// an operator takes that back.
    ///
    /// ```
    /// use makegood::RunState;
    ///
    /// assert!(RunState::Running.next().contains(&RunState::Stuck));
    /// assert_eq!(RunState::Completed.next(), [], "it is an end");
    /// ```
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Running => &[
                Self::Waiting,
                Self::Compensating,
                Self::Stuck,
                Self::Paused,
                Self::Completed,
                Self::Compensated,
                Self::Closed,
            ],
            Self::Waiting => &[Self::Running, Self::Compensating, Self::Paused, Self::Closed],
            Self::Compensating => {
                &[Self::Compensated, Self::Stuck, Self::Paused, Self::Closed, Self::Running]
            }
            Self::Stuck | Self::Paused => &[Self::Running, Self::Compensating, Self::Closed],
            Self::Completed | Self::Compensated | Self::Closed => &[],
        }
    }
}
