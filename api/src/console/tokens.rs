//! One's own tokens: for the command line and for programs, which act with them under one's name.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use store::console_tokens::{self, NewToken, Token};
use store::operators;

use super::account;
use super::icons::Icon;
use super::moment::Moment;
use super::page::{Frame, Here, Page, draw};
use super::record::Record;
use super::throttle::Subjects;
use super::who::{Operator, Rank};
use crate::app::Shared;
use crate::error::ApiResult;
use crate::operations::{NewSecret, REMEMBERED_SECS};

/// The lifetimes that can be chosen, in days.
const DAYS: [i64; 4] = [7, 30, 90, 365];
const DAY_SECS: i64 = 24 * 60 * 60;

#[derive(Template)]
#[template(path = "console/tokens.html")]
struct Tokens {
    frame: Frame,
    lines: Vec<Line>,
    ranks: Vec<Rank>,
    days: [i64; 4],
    given: Given,
    fault: Option<String>,
    /// The one that was just made: nobody sees it again.
    made: Option<String>,
}

/// A token as it is shown.
struct Line {
    token: Token,
    made: Moment,
    used: Option<Moment>,
    ends: Moment,
}

#[derive(Deserialize)]
pub(crate) struct Given {
    name: String,
    rank: Rank,
    days: i64,
    current: SecretString,
}

/// `GET /console/account/tokens`
pub(crate) async fn show(who: Operator, State(app): State<Shared>) -> Page {
    let given =
        Given { name: String::new(), rank: who.rank, days: 90, current: String::new().into() };
    page(who, &app, given, None, None).await
}

async fn page(
    who: Operator,
    app: &Shared,
    given: Given,
    fault: Option<String>,
    made: Option<String>,
) -> Page {
    let (shared, name) = (Shared::clone(app), who.name.clone());
    let tokens = app.finish(async move {
        Ok(console_tokens::list(&mut *shared.pool.acquire().await?, Some(&name)).await?)
    });
    let now = Utc::now();
    let line = |token: Token| Line {
        made: Moment::new(token.created_at, now),
        used: token.used_at.map(|at| Moment::new(at, now)),
        ends: Moment::new(token.expires_at, now),
        token,
    };
    let lines = tokens.await?.into_iter().map(line).collect();
    let ranks = [Rank::Viewer, Rank::Operator, Rank::Admin];
    let ranks = ranks.into_iter().filter(|rank| *rank <= who.rank).collect();
    let status = match (&fault, &made) {
        (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, Some(_)) => StatusCode::CREATED,
        (None, None) => StatusCode::OK,
    };
    let frame = Frame::new("Your tokens", Here::Account, who);
    let page = draw(&Tokens { frame, lines, ranks, days: DAYS, given, fault, made })?;
    Ok((status, page).into_response())
}

/// `POST /console/account/tokens`
pub(crate) async fn make(
    who: Operator,
    State(app): State<Shared>,
    Form(given): Form<Given>,
) -> Page {
    let name = given.name.trim().to_lowercase();
    if !operators::is_name(&name) || !DAYS.contains(&given.days) {
        let fault =
            "Name it with letters, digits, ., _, @ and -, such as the machine that it is for.";
        return page(who, &app, given, Some(fault.to_owned()), None).await;
    }
    let subjects = match account::prove(&app, &who, &given.current, "create_token").await? {
        Ok((subjects, _)) => subjects,
        Err(fault) => return page(who, &app, given, Some(fault), None).await,
    };
    let secret = NewSecret::make();
    let (operator, rank) = (who.name.clone(), given.rank);
    let new = NewToken { token_hash: secret.hash, operator, name, rank };
    let secs = given.days.saturating_mul(DAY_SECS);
    let shared = Shared::clone(&app);
    let done = app.finish(async move { keep(&shared, &new, secs, subjects).await });
    match done.await? {
        None => page(who, &app, given, None, Some(secret.text.expose_secret().to_owned())).await,
        Some(fault) => page(who, &app, given, Some(fault), None).await,
    }
}

/// Keeps it, and writes it down; or why not.
async fn keep(
    app: &Shared,
    new: &NewToken,
    secs: i64,
    subjects: Subjects,
) -> ApiResult<Option<String>> {
    let mut tx = app.pool.begin().await?;
    subjects.succeeded(&mut tx).await?;
    // The password was right, whatever becomes of the token.
    tx.commit().await?;
    let mut tx = app.pool.begin().await?;
    console_tokens::forget_ended(&mut tx, REMEMBERED_SECS).await?;
    let made = match console_tokens::insert(&mut tx, new, secs).await {
        Ok(made) => made,
        Err(store::Error::Conflict(_)) => {
            tx.rollback().await?;
            return Ok(Some(format!("You have a token {} that works. End it first.", new.name)));
        }
        Err(error) => return Err(error.into()),
    };
    if !made {
        tx.rollback().await?;
        return Ok(Some(format!("Your rank does not suffice for a token as {}.", new.rank)));
    }
    let after = json!({ "token": new.name, "rank": new.rank, "secs": secs });
    let record = Record::of(&new.operator, "create_token", &new.operator);
    record.changing(Value::Null, after).write(&mut tx).await?;
    tx.commit().await?;
    Ok(None)
}

#[derive(Deserialize)]
pub(crate) struct Ended {
    name: String,
}

/// `POST /console/account/tokens/revoke`
pub(crate) async fn revoke(
    who: Operator,
    State(app): State<Shared>,
    Form(Ended { name }): Form<Ended>,
) -> Page {
    let shared = Shared::clone(&app);
    app.finish(async move {
        let mut tx = shared.pool.begin().await?;
        if console_tokens::revoke(&mut tx, &who.name, &name).await? {
            let record = Record::of(&who.name, "revoke_token", &who.name);
            record.changing(json!({ "token": name }), Value::Null).write(&mut tx).await?;
        }
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(Redirect::to("/console/account/tokens").into_response())
}
