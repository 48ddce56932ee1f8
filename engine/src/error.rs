//! What the engine's client and worker may answer with; the variant says what to do next.

use uuid::Uuid;

use crate::database_words::database_words;
use crate::operator::{Refusal, VerbKind};

/// An error of the engine's client or worker.
///
/// ```
/// use makegood::Error;
///
/// /// The status of a handler's answer.
/// fn status(error: &Error) -> u16 {
///     match error {
///         Error::RunNotFound(_) => 404,
///         Error::InputConflict { .. } | Error::Refused { .. } => 409,
///         Error::TooLarge { .. } => 413,
///         Error::Database(_) => 503,
///         _ => 422,
///     }
/// }
/// assert_eq!(status(&Error::RunNotFound("book booking-1".to_owned())), 404);
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same workflow id was started before with another input: choose another id.
    #[error(
        "the id {workflow_id:?} of {workflow} was started with another input; its run is {run_id}"
    )]
    InputConflict {
        /// The workflow's name.
        workflow: String,
        /// The id that the caller chose.
        workflow_id: String,
        /// The run that holds the id.
        run_id: Uuid,
    },
    /// No run has this id: it was never started, or its start was rolled back.
    #[error("no run {0}")]
    RunNotFound(String),
    /// A value is larger than a record may be: store it elsewhere and pass a reference.
    #[error("{what} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Which value.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value could not be written or read as JSON.
    #[error("{what} is not the JSON expected: {source}")]
    Json {
        /// Which value.
        what: String,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// Signal ids that begin with `$` are the engine's own: choose another.
    #[error("the signal id {0:?} is reserved")]
    ReservedSignal(String),
    /// The name of a queue or share, or a limit, is out of its range: the text says which it has.
    #[error("{0}")]
    Queue(String),
    /// A run's attributes are too many, too long or empty: the text says which.
    #[error("{0}")]
    Attribute(String),
    /// An operator's verb does not apply to the run as it stands; nothing was changed.
    #[error("{} of run {run_id} is refused: {refusal}; {}", verb.as_str(), refusal.next())]
    Refused {
        /// The run.
        run_id: Uuid,
        /// The verb.
        verb: VerbKind,
        /// Why, and what to do instead.
        refusal: Box<Refusal>,
    },
    /// An operator's action needs a name and a reason: say both.
    #[error("an operator's action needs a {0}")]
    Unsigned(&'static str),
    /// A step is written as its name, or as its name, `#` and the number of the call from 0.
    #[error("{0:?} is no step: write charge, or charge#1 for its second call")]
    NotAStep(String),
    /// No bulk action has this id, or it is over.
    #[error("no bulk action {0} that could go on")]
    BulkNotFound(Uuid),
    /// A bulk action was frozen too long ago to be begun: freeze its runs anew, and look at them.
    #[error("bulk action {0} was frozen more than an hour ago; freeze its runs anew")]
    BulkExpired(Uuid),
    /// A queue or schedule is no longer as it was when the operator looked: look again.
    #[error("{0:?} has changed since you looked; look at it again, and decide anew")]
    SettingChanged(String),
    /// A schedule's name, expression, zone or stored definition cannot be used: correct it.
    #[error("invalid schedule: {0}")]
    InvalidSchedule(String),
    /// No schedule has this name: it was never kept, or was deleted.
    #[error("no schedule {0:?}; list the schedules for their names")]
    ScheduleNotFound(String),
    /// The worker's settings or surroundings do not allow it to run.
    #[error("{0}")]
    Unfit(String),
    /// The cell has no tables of the engine, or not all of them: migrate it.
    #[error(
        "the cell {cell} has no tables of the engine, or not all of them: run `makegood migrate \
         --cell {cell}`"
    )]
    NotMigrated {
        /// The cell.
        cell: String,
    },
    /// The database answered with an error, or did not answer.
    #[error("database: {}", database_words(.0))]
    Database(#[from] sqlx::Error),
}

/// Whether an error leaves open if the statement took effect.
///
/// Connection loss and server shutdown do (classes 08, 57 and XX, and anything that is not the
/// server's word); a plain refusal of the statement does not.
pub(crate) fn outcome_unknown(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        Some(refused) => match refused.code() {
            Some(code) => {
                code.starts_with("08") || code.starts_with("57") || code.starts_with("XX")
            }
            None => true,
        },
        None => !matches!(
            error,
            sqlx::Error::RowNotFound
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
        ),
    }
}

/// Whether the server refuses these very values, so that no later try can succeed: classes 22
/// (data), 23 (constraints) and 54 (limits).
pub(crate) fn refused(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        Some(refused) => refused.code().is_some_and(|code| {
            code.starts_with("22") || code.starts_with("23") || code.starts_with("54")
        }),
        None => matches!(error, sqlx::Error::Encode(_)),
    }
}

/// Whether the server was asked for more at once than it can: class 54 (its limits), an internal
/// error (where some of them show), and 53200 (its memory).
pub(crate) fn too_much(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| {
        code.starts_with("54") || code.starts_with("XX") || code.as_ref() == "53200"
    })
}

/// Whether the same transaction may succeed when it is tried again at once: deadlocks and
/// serialization failures.
pub(crate) fn transient(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01"))
}
