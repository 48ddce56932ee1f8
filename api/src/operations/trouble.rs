//! Why an operation was not carried out: a code for programs, words for people, and the next step.

use axum::http::StatusCode;
use domain::Rank;
use makegood::{Error, FilterError, Refusal};
use serde_json::{Value, json};

use crate::error::ApiError;

/// What went wrong, typed; the answer's details carry `next` and what a program needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No token, or none that works.
    #[error("{why}")]
    Token {
        /// Which of them.
        why: String,
        next: &'static str,
    },
    #[error("your token is for a {has}, and this needs {needs}")]
    Rank { has: Rank, needs: Rank },
    #[error("there is no such run, or it is archived")]
    RunNotFound,
    #[error("it is {owner}'s: it would bear another's name")]
    NotYours { owner: String },
    #[error("no bulk action of this id could go on")]
    BulkNotFound,
    #[error("it was frozen more than an hour ago")]
    BulkExpired,
    #[error("{name} has changed since you looked")]
    SettingChanged { name: String },
    #[error("there is no schedule of this name")]
    ScheduleNotFound,
    /// The engine refuses it as it stands.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// What was sent cannot be used.
    #[error("{message}")]
    Unusable { code: &'static str, message: String },
}

impl Trouble {
    pub(crate) fn kind(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Token { .. } => (S::UNAUTHORIZED, "TOKEN_REFUSED"),
            Self::Rank { .. } => (S::FORBIDDEN, "RANK_TOO_LOW"),
            Self::NotYours { .. } => (S::FORBIDDEN, "NOT_YOURS"),
            Self::RunNotFound => (S::NOT_FOUND, "RUN_NOT_FOUND"),
            Self::BulkNotFound => (S::NOT_FOUND, "BULK_NOT_FOUND"),
            Self::BulkExpired => (S::CONFLICT, "BULK_EXPIRED"),
            Self::SettingChanged { .. } => (S::PRECONDITION_FAILED, "SETTING_CHANGED"),
            Self::ScheduleNotFound => (S::NOT_FOUND, "SCHEDULE_NOT_FOUND"),
            Self::Refused(refusal) => match **refusal {
                Refusal::MovedOn { .. } => (S::PRECONDITION_FAILED, "REFUSED"),
                _ => (S::CONFLICT, "REFUSED"),
            },
            Self::Unusable { code, .. } => (S::UNPROCESSABLE_ENTITY, code),
        }
    }

    pub(crate) fn details(&self) -> Value {
        match self {
            Self::Token { next, .. } => json!({ "next": next }),
            Self::Rank { needs, .. } => json!({
                "needs": needs,
                "next": format!("ask somebody whose rank is {needs}, or for that rank"),
            }),
            Self::NotYours { .. } => json!({ "next": "freeze the runs anew, under your own name" }),
            Self::RunNotFound => json!({ "next": "start it anew under another id" }),
            Self::BulkNotFound => json!({ "next": "look at it: it is over, or it never was" }),
            Self::BulkExpired => json!({ "next": "freeze its runs anew, and look at them" }),
            Self::SettingChanged { .. } => json!({ "next": "look at it again, and decide anew" }),
            Self::ScheduleNotFound => json!({ "next": "list the schedules for their names" }),
            Self::Refused(refusal) => json!({ "refusal": refusal, "next": refusal.next() }),
            Self::Unusable { .. } => json!({ "next": "correct what was sent" }),
        }
    }
}

impl From<Trouble> for ApiError {
    fn from(trouble: Trouble) -> Self {
        Self::Operation(Box::new(trouble))
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        Trouble::Unusable { code: "BAD_FILTER", message: error.to_string() }.into()
    }
}

/// What the engine says, as far as whoever asked can do something about it.
pub(super) fn told(error: Error) -> ApiError {
    let unusable = |code, error: Error| Trouble::Unusable { code, message: error.to_string() };
    match error {
        Error::RunNotFound(_) => Trouble::RunNotFound.into(),
        Error::BulkNotFound(_) => Trouble::BulkNotFound.into(),
        Error::BulkExpired(_) => Trouble::BulkExpired.into(),
        Error::SettingChanged(name) => Trouble::SettingChanged { name }.into(),
        Error::ScheduleNotFound(_) => Trouble::ScheduleNotFound.into(),
        Error::Refused { refusal, .. } => Trouble::Refused(refusal).into(),
        Error::InvalidSchedule(message) => {
            Trouble::Unusable { code: "BAD_SCHEDULE", message }.into()
        }
        Error::Queue(_) => unusable("BAD_QUEUE", error).into(),
        Error::Unsigned(_) => unusable("UNSIGNED", error).into(),
        Error::TooLarge { .. } | Error::Json { .. } => unusable("BAD_VALUE", error).into(),
        other => other.into(),
    }
}
