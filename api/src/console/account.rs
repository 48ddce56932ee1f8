//! One's own account: the sessions, and the password.

use std::net::SocketAddr;

use askama::Template;
use axum::Form;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store::console_sessions::{self, Session};
use store::operators;
use store::users::PasswordHash;
use uuid::Uuid;

use super::icons::Icon;
use super::moment::Moment;
use super::page::{Frame, Here, Page, PageError, draw};
use super::record::Record;
use super::throttle::Subjects;
use super::who::Operator;
use crate::app::Shared;
use crate::passwords;

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
    let shared = Shared::clone(&app);
    app.finish(async move {
        let mut tx = shared.pool.begin().await?;
        let id = ended.session_id;
        if console_sessions::end(&mut tx, id, Some(&who.name)).await?.is_some() {
            Record::of(&who.name, "end_session", &id.to_string()).write(&mut tx).await?;
        }
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(Redirect::to("/console/account").into_response())
}

#[derive(Deserialize)]
pub(crate) struct NewPassword {
    current: SecretString,
    password: SecretString,
    again: SecretString,
}

/// `POST /console/account/password`: every other session ends with the old password.
pub(crate) async fn set_password(
    who: Operator,
    State(app): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Form(given): Form<NewPassword>,
) -> Page {
    if let Err(fault) = check(&app, &who, peer, &given).await? {
        let page = page(who, &app, false, Some(fault)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let hash = PasswordHash(app.passwords.hash(given.password).await?);
    let shared = Shared::clone(&app);
    app.finish(async move {
        let mut tx = shared.pool.begin().await?;
        operators::set_password(&mut tx, &who.name, &hash).await?;
        console_sessions::end_all(&mut tx, &who.name, Some(who.session_id)).await?;
        Record::of(&who.name, "set_password", &who.name).write(&mut tx).await?;
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(Redirect::to("/console/account?changed=true").into_response())
}

/// Why the new password cannot be taken, in words for whoever gave it.
async fn check(
    app: &Shared,
    who: &Operator,
    peer: SocketAddr,
    given: &NewPassword,
) -> Result<Result<(), String>, PageError> {
    if given.password.expose_secret() != given.again.expose_secret() {
        return Ok(Err("The new password was not typed twice alike.".to_owned()));
    }
    if let Err(fault) = passwords::check_strength(&given.password, &who.name) {
        return Ok(Err(fault));
    }
    let subjects = Subjects::of(&who.name, peer.ip());
    let (shared, name) = (Shared::clone(app), who.name.clone());
    let known = app.finish(async move {
        let mut tx = shared.pool.begin().await?;
        let wait = subjects.begin(&mut tx).await?;
        tx.commit().await?;
        let mut conn = shared.pool.acquire().await?;
        let hash = operators::by_name(&mut conn, &name).await?.password_hash.0;
        Ok((subjects, wait, hash))
    });
    let (subjects, wait, hash) = known.await?;
    if let Some(secs) = wait {
        return Ok(Err(format!("Too many attempts. Try again in {secs} s.")));
    }
    if !app.passwords.verify(given.current.clone(), Some(hash)).await? {
        return Ok(Err("The present password is wrong.".to_owned()));
    }
    let shared = Shared::clone(app);
    app.finish(async move {
        let mut tx = shared.pool.begin().await?;
        subjects.succeeded(&mut tx).await?;
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(Ok(()))
}
