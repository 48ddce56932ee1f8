//! One's own account: the sessions, and the password.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store::console_sessions::{self, Session};
use store::operators;
use store::users::PasswordHash;
use uuid::Uuid;

use super::cookie;
use super::icons::Icon;
use super::moment::Moment;
use super::page::{Frame, Here, Page, PageError, draw};
use super::record::Record;
use super::run::finish;
use super::sessions::{self, Whose};
use super::throttle::Subjects;
use super::who::Operator;
use crate::app::Shared;
use crate::{observe, passwords};

#[derive(Template)]
#[template(path = "console/account.html")]
struct Account {
    frame: Frame,
    sessions: Vec<Line>,
    changed: bool,
    fault: Option<String>,
}

/// A session as it is shown.
struct Line {
    session: Session,
    seen: Moment,
    ends: Moment,
    is_this: bool,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    changed: bool,
}

/// `GET /console/account`
pub(crate) async fn show(
    who: Operator,
    State(app): State<Shared>,
    axum::extract::Query(asked): axum::extract::Query<Asked>,
) -> Page {
    page(who, &app, asked.changed, None).await
}

async fn page(who: Operator, app: &Shared, changed: bool, fault: Option<String>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let sessions = console_sessions::list(&mut conn, Some(&who.name)).await?;
    let now = Utc::now();
    let line = |session: Session| Line {
        seen: Moment::new(session.seen_at, now),
        ends: Moment::new(session.expires_at, now),
        is_this: session.session_id == who.session_id,
        session,
    };
    let sessions = sessions.into_iter().map(line).collect();
    let frame = Frame::new("Your account", Here::Account, who);
    draw(&Account { frame, sessions, changed, fault })
}

#[derive(Deserialize)]
pub(crate) struct Ended {
    session_id: Uuid,
}

/// `POST /console/account/end-session`
pub(crate) async fn end_session(
    who: Operator,
    State(app): State<Shared>,
    Form(ended): Form<Ended>,
) -> Page {
    sessions::end(&app, who, ended.session_id, Whose::Own).await?;
    Ok(Redirect::to("/console/account").into_response())
}

#[derive(Deserialize)]
pub(crate) struct NewPassword {
    current: SecretString,
    password: SecretString,
    again: SecretString,
}

/// `POST /console/account/password`: every other session ends with the old password, and this one
/// goes on under another token.
pub(crate) async fn set_password(
    who: Operator,
    State(app): State<Shared>,
    Form(given): Form<NewPassword>,
) -> Page {
    let (subjects, checked) = match check(&app, &who, &given).await? {
        Ok(checked) => checked,
        Err(fault) => return refused(who, &app, StatusCode::UNPROCESSABLE_ENTITY, fault).await,
    };
    let hash = PasswordHash(app.passwords.hash(given.password).await?);
    let (token, secure) = (cookie::token(), app.config.secure_cookies);
    let (shared, owner, token_hash) = (Shared::clone(&app), who.clone(), cookie::hash(&token));
    let changed = finish(&app, async move {
        let mut tx = shared.pool.begin().await?;
        let Operator { name, session_id, .. } = &owner;
        if !operators::replace_password(&mut tx, name, &checked, &hash).await?
            || !console_sessions::rotate(&mut tx, *session_id, &token_hash, &cookie::token())
                .await?
        {
            return Ok(false);
        }
        console_sessions::end_all(&mut tx, name, Some(*session_id)).await?;
        subjects.succeeded(&mut tx).await?;
        Record::of(name, "set_password", name).write(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    });
    if !changed.await? {
        let fault =
            "Your password was changed meanwhile, or you were signed out; nothing was done.";
        return refused(who, &app, StatusCode::CONFLICT, fault.to_owned()).await;
    }
    let keep = [(header::SET_COOKIE, cookie::keep(&token, secure))];
    Ok((keep, Redirect::to("/console/account?changed=true")).into_response())
}

async fn refused(who: Operator, app: &Shared, status: StatusCode, fault: String) -> Page {
    let page = page(who, app, false, Some(fault)).await?;
    Ok((status, page).into_response())
}

/// The password that was checked; or why the new one cannot be taken, in words for whoever gave it.
async fn check(
    app: &Shared,
    who: &Operator,
    given: &NewPassword,
) -> Result<Result<(Subjects, PasswordHash), String>, PageError> {
    if given.password.expose_secret() != given.again.expose_secret() {
        return Ok(Err("The new password was not typed twice alike.".to_owned()));
    }
    if let Err(fault) = passwords::check_strength(&given.password, &who.name) {
        return Ok(Err(fault));
    }
    prove(app, who, &given.current, "set_password").await
}

/// The password that was given, if it is the present one: a session alone does not do what outlasts
/// it. The attempt is counted until the caller says that it succeeded.
pub(super) async fn prove(
    app: &Shared,
    who: &Operator,
    current: &SecretString,
    verb: &str,
) -> Result<Result<(Subjects, PasswordHash), String>, PageError> {
    let subjects = Subjects::of(&who.name, observe::client());
    let (shared, name) = (Shared::clone(app), who.name.clone());
    let known = finish(app, async move {
        let mut tx = shared.pool.begin().await?;
        let wait = subjects.begin(&mut tx).await?;
        tx.commit().await?;
        let mut conn = shared.pool.acquire().await?;
        let hash = operators::by_name(&mut conn, &name).await?.password_hash;
        Ok((subjects, wait, hash))
    });
    let (subjects, wait, hash) = known.await?;
    if let Some(secs) = wait {
        return Ok(Err(format!("Too many attempts. Try again in {secs} s.")));
    }
    if !app.passwords.verify(current.clone(), Some(hash.0.clone())).await? {
        let record = Record::of(&who.name, verb, &who.name);
        record.because("the present password is wrong").refused().keep(app).await?;
        return Ok(Err("The present password is wrong.".to_owned()));
    }
    Ok(Ok((subjects, hash)))
}
