//! Who is signed in to the console, and what they may do.
//! Never decides who that is: the gate does, before any handler runs.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
pub(crate) use domain::Rank;
use uuid::Uuid;

use super::page::PageError;
use crate::app::Shared;

/// Somebody who is signed in to the console.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    pub(crate) name: String,
    pub(crate) rank: Rank,
    /// Goes with every form of the session, as the field `csrf`.
    pub(crate) csrf: String,
    /// Which of their sessions this is.
    pub(crate) session_id: Uuid,
}

impl Operator {
    /// Whether they may do anything but look.
    pub(crate) fn may_act(&self) -> bool {
        self.rank >= Rank::Operator
    }

    /// Whether they may end runs without undoing them, and others' sessions.
    pub(crate) fn is_admin(&self) -> bool {
        self.rank == Rank::Admin
    }
}

impl FromRequestParts<Shared> for Operator {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, PageError> {
        let who = parts.extensions.get::<Self>().cloned();
        who.ok_or_else(|| PageError::internal("a page stands outside the gate"))
    }
}
