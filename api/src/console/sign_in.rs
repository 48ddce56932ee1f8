//! Signing in and out.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use secrecy::SecretString;
use serde::Deserialize;
use store::console_sessions::{self, NewSession};
use store::users::PasswordHash;
use store::{Error, operators};
use uuid::Uuid;

use super::icons::Icon;
use super::look::Theme;
use super::page::{Page, draw};
use super::record::Record;
use super::throttle::Subjects;
use super::who::Operator;
use super::{cookie, gate};
use crate::app::Shared;
use crate::error::ApiResult;
use crate::observe;

/// However much it is used, a session ends after twelve hours.
const LONGEST_SECS: i64 = 12 * 60 * 60;

/// Who tried to sign in under a name that is nobody's.
const NOBODY: &str = "somebody unknown";

/// Where to sign in, so that one comes back to `back` afterwards.
pub(super) fn address(back: &str) -> String {
    let kept: String = back.bytes().map(escaped).collect();
    format!("/console/sign-in?next={kept}")
}

fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignIn {
    name: String,
    next: String,
    fault: Option<String>,
    theme: Theme,
}

impl SignIn {
    fn of(name: String, next: String, fault: Option<String>) -> Self {
        Self { name, next, fault, theme: Theme::current() }
    }
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
}

/// `GET /console/sign-in`
pub(crate) async fn show(Query(asked): Query<Asked>) -> Page {
    draw(&SignIn::of(String::new(), back(&asked.next), None))
}

#[derive(Deserialize)]
pub(crate) struct Given {
    name: String,
    password: SecretString,
    #[serde(default)]
    next: String,
}

/// `POST /console/sign-in`
pub(crate) async fn enter(
    State(app): State<Shared>,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Page {
    gate::same_site(&headers)?;
    let (name, next) = (given.name.trim().to_lowercase(), back(&given.next));
    let client = observe::client();
    let address = client.map(|client| client.to_string()).unwrap_or_default();
    let refused = |status: StatusCode, fault: String| {
        tracing::warn!(target: "security", operator = name, address, fault, "a sign-in failed");
        let page = draw(&SignIn::of(name.clone(), next.clone(), Some(fault)))?;
        Ok((status, page).into_response())
    };
    let subjects = Subjects::of(&name, client);
    let asked = (Shared::clone(&app), name.clone());
    let (subjects, known) = app.finish(look(asked, subjects)).await?;
    let (who, hash) = match known {
        Known::Waits { secs } => {
            let fault = format!("Too many attempts. Try again in {secs} s.");
            let page = refused(StatusCode::TOO_MANY_REQUESTS, fault)?;
            return Ok(([(header::RETRY_AFTER, secs.to_string())], page).into_response());
        }
        Known::May { who, hash } => (who, hash),
    };
    // Whether the name exists is nobody's business. The audit has as many of these as the throttle
    // lets through.
    let wrong = async || {
        let record = Record::of(&who, "sign_in", &who).because("name or password is wrong");
        record.refused().keep(&app).await?;
        refused(StatusCode::UNAUTHORIZED, "Name or password is wrong.".to_owned())
    };
    let checked = PasswordHash(hash.clone().unwrap_or_default());
    if !app.passwords.verify(given.password, hash).await? {
        return wrong().await;
    }
    let secure = app.config.secure_cookies;
    let token = cookie::token();
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let new = NewSession {
        token_hash: cookie::hash(&token),
        session_id: Uuid::now_v7(),
        operator: name.clone(),
        csrf: cookie::token(),
        address: address.clone(),
        agent: agent.unwrap_or_default().chars().take(300).collect(),
    };
    let old = cookie::read(&headers, secure).map(|token| cookie::hash(&token));
    if !app.finish(begin(Shared::clone(&app), (new, checked), old, subjects)).await? {
        return wrong().await;
    }
    Ok(([(header::SET_COOKIE, cookie::keep(&token, secure))], Redirect::to(&next)).into_response())
}

enum Known {
    Waits {
        secs: i64,
    },
    /// As whom it stands in the audit, and the hash of the password, if it may be right.
    May {
        who: String,
        hash: Option<String>,
    },
}

/// Counts the attempt, and looks up whose name it is. A disabled operator has no password that is
/// right; and a name that is nobody's is not kept, since it may be a password in the wrong field.
async fn look((app, name): (Shared, String), subjects: Subjects) -> ApiResult<(Subjects, Known)> {
    let mut tx = app.pool.begin().await?;
    let wait = subjects.begin(&mut tx).await?;
    tx.commit().await?;
    if let Some(secs) = wait {
        return Ok((subjects, Known::Waits { secs }));
    }
    let mut conn = app.pool.acquire().await?;
    let known = match operators::by_name(&mut conn, &name).await {
        Ok(known) => {
            let hash = Some(known.password_hash.0).filter(|_| known.disabled_at.is_none());
            Known::May { who: name, hash }
        }
        Err(Error::NotFound) => Known::May { who: NOBODY.to_owned(), hash: None },
        Err(error) => return Err(error.into()),
    };
    Ok((subjects, known))
}

/// Begins the session, ends the one that the browser had, and forgets those that are over; `false`
/// when the password was changed, or its owner disabled, while it was checked.
async fn begin(
    app: Shared,
    (new, checked): (NewSession, PasswordHash),
    old: Option<Vec<u8>>,
    subjects: Subjects,
) -> ApiResult<bool> {
    let mut tx = app.pool.begin().await?;
    if let Some(old) = old {
        console_sessions::end_of_token(&mut tx, &old).await?;
    }
    console_sessions::forget_ended(&mut tx, gate::IDLE_SECS).await?;
    if !console_sessions::insert(&mut tx, &new, &checked, LONGEST_SECS).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    subjects.succeeded(&mut tx).await?;
    Record::of(&new.operator, "sign_in", &new.operator).because(&new.agent).write(&mut tx).await?;
    tx.commit().await?;
    Subjects::tidy(&mut *app.pool.acquire().await?).await?;
    Ok(true)
}

/// `POST /console/sign-out`
pub(crate) async fn leave(who: Operator, State(app): State<Shared>) -> Page {
    let secure = app.config.secure_cookies;
    let shared = Shared::clone(&app);
    app.finish(async move {
        let mut tx = shared.pool.begin().await?;
        console_sessions::end(&mut tx, who.session_id, None).await?;
        Record::of(&who.name, "sign_out", &who.name).write(&mut tx).await?;
        Ok(tx.commit().await?)
    })
    .await?;
    let forget = [(header::SET_COOKIE, cookie::forget(secure))];
    Ok((forget, Redirect::to("/console/sign-in")).into_response())
}

/// A page of the console: nobody is sent elsewhere by a link to our sign-in.
fn back(next: &str) -> String {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
    let ours = next.starts_with("/console/") && !next.starts_with("/console/sign-in");
    let ours = ours && next.bytes().all(plain) && !next.contains("//");
    if ours { next.to_owned() } else { "/console".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        assert_eq!(back("/console/runs?state=STUCK&q=a%20b"), "/console/runs?state=STUCK&q=a%20b");
        for foreign in [
            "https://evil.example/console/",
            "//evil.example/console/",
            "/console/..//evil.example",
            "/console/\\evil.example",
            "/console/\r\nset-cookie: a=b",
            "/api/v1/orders",
            "/console/sign-in?next=/console/",
            "",
        ] {
            assert_eq!(back(foreign), "/console", "{foreign:?} is no page of the console");
        }
    }

    #[test]
    fn the_address_of_the_sign_in_keeps_where_one_came_from() {
        let to = address("/console/runs?state=STUCK&q=a%20b");
        assert_eq!(to, "/console/sign-in?next=/console/runs%3Fstate%3DSTUCK%26q%3Da%2520b");
    }
}
