//! How a command ends: its exit code, and an error in three parts: what, why, and the next step.
//! It never prints a backtrace and never a secret.

use std::fmt;

use makegood::database_words;

use crate::output;

/// The exit codes, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Done,
    /// It did not work, or what was checked does not hold.
    Failed,
    /// The arguments or the settings are wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// It is not in the state that this needs.
    Conflict,
    /// Something did not answer in time.
    TimedOut,
    /// It was done to some of the runs that were meant, and not to others.
    Partly,
    /// A second signal cut the ending short.
    Interrupted,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::TimedOut => 5,
            Self::Partly => 6,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command failed, for the person who ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) exit: Exit,
    what: String,
    why: Option<String>,
    next: Option<String>,
}

impl Problem {
    /// A failure; `what` is a clause without a full stop.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, what: what.into(), why: None, next: None }
    }

    #[must_use]
    pub(crate) fn because(self, why: impl fmt::Display) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    #[must_use]
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    #[must_use]
    pub(crate) fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\n  why:  {why}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

/// A statement that failed in a command that has a connection already.
impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // A statement that took too long, a lock that was not to be had.
        if matches!(code.as_deref(), Some("57014" | "55P03")) {
            return Self::new("the database did not answer in time")
                .because(database_words(&error))
                .next("try again; a list answers sooner when it is narrowed")
                .exit(Exit::TimedOut);
        }
        if code.as_deref() == Some("42P01") {
            return Self::new("the cell has no tables, or not all of them")
                .because(database_words(&error))
                .next("run `makegood migrate`, or name another cell with --cell");
        }
        Self::new("the database refused a statement, or went away")
            .because(database_words(&error))
            .next("try again; `makegood doctor` checks the database")
    }
}

/// Tells a person what went wrong.
pub(crate) fn report(problem: &Problem) -> Exit {
    output::say(&problem.to_string());
    problem.exit
}
