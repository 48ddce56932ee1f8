//! Who asks: a personal token of somebody who may sign in to the console, and what it allows.
//! Never a session's cookie: what a browser sends by itself opens nothing here.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::Rank;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::console_tokens::{self, Ended, Holder};

use super::Trouble;
use crate::app::Shared;
use crate::console::{Record, redact, veil};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};

/// The longest that a token may last.
pub const LONGEST_SECS: i64 = 366 * 24 * 60 * 60;

/// For so long it is remembered that a token has ended, for whoever still uses it.
pub const REMEMBERED_SECS: i64 = 90 * 24 * 60 * 60;

/// The largest answer to a viewer.
const LARGEST: usize = 64 * 1024 * 1024;

/// By which people, and programs that look for leaked secrets, recognize one.
const PREFIX: &str = "makegood_";

/// A new token: what its owner keeps, and what the database does.
#[derive(Debug)]
pub struct NewSecret {
    /// To be shown once.
    pub text: SecretString,
    /// SHA-256 of it.
    pub hash: Vec<u8>,
}

impl NewSecret {
    /// One that nobody guesses: 256 random bits.
    pub fn make() -> Self {
        let text = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
        Self { hash: hash(&text), text: text.into() }
    }
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// How the audit names somebody who acts with a token.
fn as_actor(operator: &str, token: &str) -> String {
    format!("{operator} (token {token})")
}

/// Somebody whose token works.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Caller {
    pub(crate) operator: String,
    pub(crate) token: String,
    pub(crate) rank: Rank,
}

impl Caller {
    /// As the audit names them.
    pub(crate) fn actor(&self) -> String {
        as_actor(&self.operator, &self.token)
    }

    /// Lets nobody pass whose rank does not suffice, and writes down who tried what.
    pub(crate) async fn require(
        &self,
        app: &Shared,
        needs: Rank,
        (verb, target): (&str, &str),
    ) -> ApiResult<()> {
        if self.rank >= needs {
            return Ok(());
        }
        tracing::warn!(
            target: "security", operator = self.operator, token = self.token, rank = %self.rank,
            wanted = %needs, verb, "a rank does not suffice",
        );
        let trouble = Trouble::Rank { has: self.rank, needs };
        let record = Record::of(&self.actor(), verb, target).because(&trouble.to_string());
        let (record, shared) = (record.refused(), Shared::clone(app));
        app.finish(async move { Ok(record.write(&mut *shared.pool.acquire().await?).await?) })
            .await?;
        Err(trouble.into())
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> ApiResult<Self> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| ApiError::internal("an operation stands outside the gate"))
    }
}

/// `GET /api/v1/operations/me`: whose token it is, and what it may do.
pub(super) async fn me(caller: Caller) -> Answer<Caller> {
    Answer::ok("your token", caller)
}

/// Everybody reads; operators act. A viewer's answers are veiled, as the console's pages are.
pub(super) async fn gate(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let caller = match caller(&app, request.headers()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let wanted = if request.method() == Method::GET { Rank::Viewer } else { Rank::Operator };
    let path = request.uri().path().to_owned();
    if let Err(error) = caller.require(&app, wanted, ("ask", &path)).await {
        return error.into_response();
    }
    let viewer = (caller.rank == Rank::Viewer).then(|| caller.operator.clone());
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    match viewer {
        Some(name) => veil(redacted(response).await, &name),
        None => response,
    }
}

/// The answer without recorded values.
async fn redacted(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let read = to_bytes(body, LARGEST).await.map_err(ApiError::internal);
    let value =
        read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).map_err(ApiError::internal));
    match value {
        Ok(mut value) => {
            redact(&mut value);
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(value.to_string()))
        }
        Err(error) => error.into_response(),
    }
}

async fn caller(app: &Shared, headers: &HeaderMap) -> ApiResult<Caller> {
    let given = headers.get(header::AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = given.and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let refused = |why: &str, next| {
        tracing::warn!(target: "security", why, "a token was refused");
        Err(Trouble::Token { why: why.to_owned(), next }.into())
    };
    let Some(token) = token else {
        return refused("no token was sent", "send one as `Authorization: Bearer makegood_...`");
    };
    let hash = hash(&token);
    let shared = Shared::clone(app);
    let holder = app.finish(async move {
        let mut conn = shared.pool.acquire().await?;
        let holder = console_tokens::holder(&mut conn, &hash).await?;
        if holder.as_ref().is_some_and(|holder| holder.ended.is_none() && holder.unused) {
            console_tokens::used(&mut conn, &hash).await?;
        }
        Ok(holder)
    });
    let Some(Holder { operator, name, rank, ended, .. }) = holder.await? else {
        return refused("nobody has this token", "check that all of it was copied, and to here");
    };
    let anew = "make another: `makegood operators token create`, or the console under Your account";
    let day = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M UTC");
    match ended {
        None => Ok(Caller { operator, token: name, rank }),
        Some(Ended::Expired(at)) => {
            refused(&format!("the token {name} of {operator} expired at {}", day(at)), anew)
        }
        Some(Ended::Revoked(at)) => {
            refused(&format!("the token {name} of {operator} was revoked at {}", day(at)), anew)
        }
        Some(Ended::Disabled) => {
            refused(&format!("{operator} may not sign in any more"), "ask an admin to let you in")
        }
    }
}
