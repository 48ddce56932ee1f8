//! Who looks at the console, and what they may do.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;

use crate::app::Shared;

/// What somebody may do in the console; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Looks; sees no personal data.
    Viewer,
    /// Mends runs.
    Operator,
    /// Ends runs for good, acts in bulk, and says who may sign in.
    Admin,
}

/// Somebody who is signed in to the console. Everybody else is sent to sign in.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) rank: Rank,
    /// Goes with every form of the session.
    pub(crate) csrf: String,
}

impl Operator {
    pub(crate) fn may_act(&self) -> bool {
        self.rank >= Rank::Operator
    }
}

impl FromRequestParts<Shared> for Operator {
    type Rejection = Response;

    async fn from_request_parts(_: &mut Parts, _: &Shared) -> Result<Self, Response> {
        Ok(Self { name: "nobody".to_owned(), rank: Rank::Viewer, csrf: String::new() })
    }
}
