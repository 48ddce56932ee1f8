//! Who may sign in, and where they are signed in: for admins. Who may is said on the command line.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect};
use chrono::Utc;
use serde::Deserialize;
use store::console_sessions::{self, Session};
use store::operators;
use uuid::Uuid;

use super::badge::Badge;
use super::icons::Icon;
use super::moment::Moment;
use super::page::{Frame, Here, Page, draw};
use super::sessions::{self, Whose};
use super::who::Operator;
use crate::app::Shared;

#[derive(Template)]
#[template(path = "console/people.html")]
struct People {
    frame: Frame,
    known: Vec<Person>,
    sessions: Vec<Line>,
}

struct Person {
    name: String,
    rank: String,
    state: Badge,
    since: Moment,
}

struct Line {
    session: Session,
    seen: Moment,
    is_this: bool,
}

/// `GET /console/operators`
pub(crate) async fn list(who: Operator, State(app): State<Shared>) -> Page {
    let mut conn = app.pool.acquire().await?;
    let people = operators::list(&mut conn).await?;
    let sessions = console_sessions::list(&mut conn, None).await?;
    drop(conn);
    let now = Utc::now();
    let person = |person: operators::Operator| Person {
        state: match person.disabled_at {
            None => Badge::new("good", Icon::Check, "May sign in"),
            Some(_) => Badge::new("wait", Icon::Cross, "Disabled"),
        },
        since: Moment::new(person.created_at, now),
        rank: person.rank.to_string(),
        name: person.name,
    };
    let line = |session: Session| Line {
        seen: Moment::new(session.seen_at, now),
        is_this: session.session_id == who.session_id,
        session,
    };
    draw(&People {
        known: people.into_iter().map(person).collect(),
        sessions: sessions.into_iter().map(line).collect(),
        frame: Frame::new("Operators", Here::Account, who),
    })
}

#[derive(Deserialize)]
pub(crate) struct Ended {
    session_id: Uuid,
}

/// `POST /console/operators/end-session`: whosever it is.
pub(crate) async fn end_session(
    who: Operator,
    State(app): State<Shared>,
    Form(ended): Form<Ended>,
) -> Page {
    sessions::end(&app, who, ended.session_id, Whose::Anybodys).await?;
    Ok(Redirect::to("/console/operators").into_response())
}
