//! Why a desk could not do it: what the engine says, here or through the API, or words already.

use makegood::{Error, Refusal};

use crate::exit::{Exit, Problem};

/// Why it was not done.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No run has this id, or it is archived.
    RunNotFound,
    /// No bulk action of this id could go on.
    BulkNotFound,
    /// The bulk action was frozen too long ago.
    BulkExpired,
    /// No schedule has this name.
    ScheduleNotFound,
    /// The verb does not apply to the run as it stands.
    Refused(Box<Refusal>),
    /// A queue's name or limit cannot be used; why.
    BadQueue(String),
    /// The engine's answer otherwise.
    Engine(Error),
    /// Words for the person who runs the command.
    Told(Problem),
}

impl Trouble {
    /// The problem, where the command has no words but what it wanted.
    pub(crate) fn wanting(self, what: impl Into<String>) -> Problem {
        let problem = Problem::new(what);
        match self {
            Self::RunNotFound => problem.because("there is no such run, or it is archived"),
            Self::BulkNotFound => problem.because("it is over, or there is none of this id"),
            Self::BulkExpired => problem
                .because("it was frozen more than an hour ago")
                .next("freeze its runs anew, and look at them")
                .exit(Exit::Conflict),
            Self::ScheduleNotFound => problem.because("there is no schedule of this name"),
            Self::Refused(refusal) => problem.because(&refusal).next(refusal.next()),
            Self::BadQueue(why) => problem.because(why),
            Self::Engine(Error::Database(error)) => error.into(),
            Self::Engine(error) => problem.because(error),
            Self::Told(problem) => problem,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::RunNotFound(_) => Self::RunNotFound,
            Error::BulkNotFound(_) => Self::BulkNotFound,
            Error::BulkExpired(_) => Self::BulkExpired,
            Error::ScheduleNotFound(_) => Self::ScheduleNotFound,
            Error::Refused { refusal, .. } => Self::Refused(refusal),
            Error::Queue(why) => Self::BadQueue(why),
            other => Self::Engine(other),
        }
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Told(problem)
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        trouble.wanting("it could not be read")
    }
}
