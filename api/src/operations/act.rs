//! Acting: verbs on one run, and changes of queues and schedules. Each is written down under the
//! caller's name and that of the token, in the transaction that does it.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use makegood::{Change, Error, Foreseen, Operator, Verb};
use uuid::Uuid;

use super::Trouble;
use super::answer::{Acted, Ask, SettingAsk, carry_out};
use super::part::Part;
use super::token::Caller;
use super::trouble::told;
use crate::app::{App, Shared};
use crate::body::Body;
use crate::console::{Record, rank_of};
use crate::envelope::Answer;
use crate::error::{ApiError, ApiResult};
use crate::observe;

/// Whoever only looks has no reason yet.
pub(super) const LOOKED: &str = "looked at what it would do";

/// `POST /api/v1/operations/runs/{run_id}/foresee`: tried, and taken back.
pub(super) async fn foresee(
    caller: Caller,
    State(app): State<Shared>,
    Part(run_id): Part<Uuid>,
    Body(Ask { what, .. }): Body<Ask>,
) -> ApiResult<Answer<Foreseen>> {
    allowed(&app, &caller, run_id, &what).await?;
    let shared = Shared::clone(&app);
    let seen = app.finish(async move {
        let hand = hand(&shared, &caller, LOOKED)?;
        hand.foresee(run_id, &what).await.map_err(told)
    });
    Ok(Answer::ok("what it would do", seen.await?))
}

/// `POST /api/v1/operations/runs/{run_id}/act`. With `If-Match`, only on a run that stands as it did
/// when that version of it was foreseen.
pub(super) async fn act(
    caller: Caller,
    State(app): State<Shared>,
    Part(run_id): Part<Uuid>,
    headers: HeaderMap,
    Body(Ask { what, reason }): Body<Ask>,
) -> ApiResult<Answer<Acted>> {
    allowed(&app, &caller, run_id, &what).await?;
    let expected = expected(&headers)?;
    let shared = Shared::clone(&app);
    let acted = app.finish(async move {
        let hand = hand(&shared, &caller, &reason)?;
        let hand = match &expected {
            Some(version) => hand.expecting(version),
            None => hand,
        };
        let acted = carry_out(&hand, run_id, &what).await;
        if let Err(Error::Refused { refusal, .. }) = &acted {
            let why = format!("{refusal}; {} (wanted because: {reason})", refusal.next());
            let record = Record::of(&caller.actor(), what.kind().as_str(), &run_id.to_string());
            let record = record.because(&why).refused();
            record.write(&mut *shared.pool.acquire().await?).await?;
        }
        acted.map_err(told)
    });
    Ok(Answer::ok("it is on record", acted.await?))
}

/// Whether the rank suffices for the verb.
async fn allowed(app: &Shared, caller: &Caller, run_id: Uuid, verb: &Verb) -> ApiResult<()> {
    let kind = verb.kind();
    caller.require(app, rank_of(kind), (kind.as_str(), &run_id.to_string())).await
}

/// The version that the caller looked at, if the request names one.
fn expected(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = given.to_str().ok().and_then(|given| given.trim().strip_prefix('"'));
    let version = version.and_then(|given| given.strip_suffix('"'));
    let version = version.ok_or_else(|| {
        ApiError::field("If-Match", "one version in quotes, as foreseeing answered it")
    })?;
    Ok(Some(version.to_owned()))
}

/// `POST /api/v1/operations/settings/foresee`
pub(super) async fn foresee_setting(
    caller: Caller,
    State(app): State<Shared>,
    Body(SettingAsk { what, .. }): Body<SettingAsk>,
) -> ApiResult<Answer<Change>> {
    let shared = Shared::clone(&app);
    let change = app.finish(async move {
        hand(&shared, &caller, LOOKED)?.foresee_setting(&what).await.map_err(told)
    });
    Ok(Answer::ok("what it would change", change.await?))
}

/// `POST /api/v1/operations/settings`. With `If-Match`, only if it stands as it did when that version
/// of it was foreseen.
pub(super) async fn set(
    caller: Caller,
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(SettingAsk { what, reason }): Body<SettingAsk>,
) -> ApiResult<Answer<Change>> {
    let expected = expected(&headers)?;
    let shared = Shared::clone(&app);
    let change = app.finish(async move {
        let hand = hand(&shared, &caller, &reason)?;
        let hand = match &expected {
            Some(version) => hand.expecting(version),
            None => hand,
        };
        let set = hand.set(&what).await;
        if let Err(error @ (Error::SettingChanged(_) | Error::InvalidSchedule(_))) = &set {
            let why = format!("{error} (wanted because: {reason})");
            let record = Record::of(&caller.actor(), what.verb(), what.name());
            let record = record.because(&why).refused();
            record.write(&mut *shared.pool.acquire().await?).await?;
        }
        set.map_err(told)
    });
    Ok(Answer::ok("it is on record", change.await?))
}

/// The caller at the verbs.
pub(super) fn hand(app: &App, caller: &Caller, reason: &str) -> ApiResult<Operator> {
    check_reason(reason)?;
    let hand = app.client.operator(&caller.actor(), reason).map_err(told)?;
    Ok(hand.in_request(&observe::request_id()))
}

/// Refuses a reason that the audit does not take; an empty one is refused by the engine.
pub(super) fn check_reason(reason: &str) -> ApiResult<()> {
    if reason.len() <= 2_000 {
        return Ok(());
    }
    let message = "the reason has at most 2,000 bytes".to_owned();
    Err(Trouble::Unusable { code: "BAD_REASON", message }.into())
}
