//! Before every page: who is it, may they, and did their own page send this?
//!
//! What changes something is a POST that carries the session's own token and comes from a page of
//! ours. A rank that does not suffice is told so, and nothing runs.

use axum::Form;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use domain::Rank;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::console_sessions;

use super::cookie;
use super::page::PageError;
use super::problem::FORM_LIMIT;
use super::record::require;
use super::run::finish;
use super::sign_in;
use super::veil::veil;
use super::who::Operator;
use crate::app::Shared;

/// A session that is not used for this long has ended.
pub(super) const IDLE_SECS: i64 = 60 * 60;

/// Whoever is signed in.
pub(super) async fn anybody(State(app): State<Shared>, request: Request, next: Next) -> Response {
    pass(&app, request, next, Rank::Viewer).await
}

/// Everybody reads; operators act.
pub(super) async fn operators(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let wanted = if is_safe(request.method()) { Rank::Viewer } else { Rank::Operator };
    pass(&app, request, next, wanted).await
}

/// Admins only.
pub(super) async fn admins(State(app): State<Shared>, request: Request, next: Next) -> Response {
    pass(&app, request, next, Rank::Admin).await
}

async fn pass(app: &Shared, request: Request, next: Next, wanted: Rank) -> Response {
    let who = match known(app, request.headers()).await {
        Ok(Some(who)) => who,
        Ok(None) => return signed_out(&request),
        Err(error) => return error.into_response(),
    };
    let mut request = if is_safe(request.method()) {
        request
    } else {
        match own_form(request, &who).await {
            Ok(request) => request,
            Err(error) => return error.into_response(),
        }
    };
    let path = request.uri().path().to_owned();
    if let Err(error) = require(app, &who, wanted, ("ask", &path)).await {
        return error.into_response();
    }
    let is_viewer = who.rank == Rank::Viewer;
    let name = who.name.clone();
    request.extensions_mut().insert(who);
    let response = next.run(request).await;
    if is_viewer { veil(response, &name) } else { response }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whose session the browser has, as of now.
async fn known(app: &Shared, headers: &HeaderMap) -> Result<Option<Operator>, PageError> {
    let Some(token) = cookie::read(headers, app.config.secure_cookies) else { return Ok(None) };
    let (hash, by_hand) = (cookie::hash(&token), !looks_by_itself(headers));
    let shared = Shared::clone(app);
    finish(app, async move {
        let mut conn = shared.pool.acquire().await?;
        let Some(holder) = console_sessions::holder(&mut conn, &hash, IDLE_SECS).await? else {
            return Ok(None);
        };
        if holder.unseen && by_hand {
            console_sessions::seen(&mut conn, &hash).await?;
        }
        let console_sessions::Holder { operator: name, rank, csrf, session_id, .. } = holder;
        Ok(Some(Operator { name, rank, csrf, session_id }))
    })
    .await
}

/// Whether a live page sends it, and nobody's hand: that keeps no session from being idle.
fn looks_by_itself(headers: &HeaderMap) -> bool {
    headers.contains_key("x-live") || wants_events(headers)
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT);
    accepts.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event"))
}

/// To the sign-in page, and back here afterwards.
fn signed_out(request: &Request) -> Response {
    let headers = request.headers();
    let back = if is_safe(request.method()) {
        // Behind the console's own prefix, that is all the request knows.
        let asked = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        format!("/console{asked}")
    } else {
        "/console".to_owned()
    };
    let to = sign_in::address(&back);
    if headers.contains_key("hx-request") {
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", to)]).into_response();
    }
    if wants_events(headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Redirect::to(&to).into_response()
}

#[derive(Deserialize)]
struct Token {
    csrf: String,
}

/// The request with its form, if a page of this session sent it.
async fn own_form(request: Request, who: &Operator) -> Result<Request, PageError> {
    same_site(request.headers())?;
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, FORM_LIMIT).await.map_err(PageError::internal)?;
    let again = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let given = match parts.headers.get("x-csrf-token").and_then(|given| given.to_str().ok()) {
        Some(given) => Some(given.to_owned()),
        None => Form::<Token>::from_request(again, &()).await.ok().map(|Form(form)| form.csrf),
    };
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    if given.is_none_or(|given| digest(&given) != digest(&who.csrf)) {
        tracing::warn!(
            target: "security", operator = who.name, path = parts.uri.path(),
            "a form without its session's token was refused",
        );
        return Err(PageError::Forbidden(
            "This form is not of your present session; nothing was done. Load the page again."
                .to_owned(),
        ));
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Refuses what a browser sends for another site's page.
pub(super) fn same_site(headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let foreign = match (text("sec-fetch-site"), text("origin")) {
        // The browser's own word; a proxy may have changed the host's name.
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_none() || host != text("host")
        }
        (None, None) => false,
    };
    if foreign {
        tracing::warn!(target: "security", "a request for another site's page was refused");
        return Err(PageError::Forbidden(
            "This request comes from another site's page; nothing was done.".to_owned(),
        ));
    }
    Ok(())
}
