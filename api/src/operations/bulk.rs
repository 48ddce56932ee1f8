//! One verb for many runs: looked at, frozen, begun, followed, stopped. This process carries it out,
//! as it does those of the console.

use axum::extract::State;
use domain::Rank;
use makegood::bulk::Preview;
use makegood::{Operator, inspect};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Trouble;
use super::act::{LOOKED, check_reason, hand};
use super::answer::{BulkAsk, BulkShown, Frozen, StopAsk, bulk_shown};
use super::part::Part;
use super::token::Caller;
use super::trouble::told;
use crate::app::{App, Shared};
use crate::body::Body;
use crate::console::{KEEPER, Record, kind_of, rank_of};
use crate::envelope::Answer;
use crate::error::ApiResult;

/// `POST /api/v1/operations/bulk/preview`: which runs it would be for.
pub(super) async fn preview(
    caller: Caller,
    State(app): State<Shared>,
    Body(ask): Body<BulkAsk>,
) -> ApiResult<Answer<Preview>> {
    check(&app, &caller, &ask).await?;
    let shared = Shared::clone(&app);
    let preview = app.finish(async move {
        let BulkAsk { what, selection, per_second, .. } = ask;
        let bulk = hand(&shared, &caller, LOOKED)?.bulk(what, selection);
        bulk.per_second(per_second).preview().await.map_err(told)
    });
    Ok(Answer::ok("which runs it would be for", preview.await?))
}

/// `POST /api/v1/operations/bulk`: freezes which runs, and does nothing to them.
pub(super) async fn freeze(
    caller: Caller,
    State(app): State<Shared>,
    Body(ask): Body<BulkAsk>,
) -> ApiResult<Answer<Frozen>> {
    check(&app, &caller, &ask).await?;
    let shared = Shared::clone(&app);
    let frozen = app.finish(async move {
        let BulkAsk { what, selection, per_second, reason } = ask;
        let selected = json!(selection);
        let bulk = owner(&shared, &caller, &reason)?.bulk(what, selection);
        let mut tx = shared.pool.begin().await?;
        let frozen = bulk.per_second(per_second).freeze_in(&mut tx).await;
        let (bulk_id, preview) = frozen.map_err(told)?;
        let after = json!({ "selection": selected, "runs": preview.total });
        let record = Record::of(&caller.actor(), "freeze_bulk", &bulk_id.to_string());
        let record = record.because(&reason).changing(Value::Null, after);
        record.write(&mut tx).await?;
        tx.commit().await?;
        Ok(Frozen { bulk_id, preview })
    });
    Ok(Answer::created("nothing is done yet: begin it", frozen.await?))
}

/// `POST /api/v1/operations/bulk/{bulk_id}/begin`: has it carried out, or gone on with.
pub(super) async fn begin(
    caller: Caller,
    State(app): State<Shared>,
    Part(bulk_id): Part<Uuid>,
) -> ApiResult<Answer<()>> {
    let shared = Shared::clone(&app);
    app.finish(async move { start(&shared, &caller, bulk_id).await }).await?;
    app.bulks.begin(bulk_id);
    Ok(Answer::accepted("it is under way", ()))
}

async fn start(app: &Shared, caller: &Caller, bulk_id: Uuid) -> ApiResult<()> {
    let mut tx = app.pool.begin().await?;
    let bulk = inspect::bulk(&mut tx, bulk_id).await?.ok_or(Trouble::BulkNotFound)?;
    if bulk.actor != caller.operator {
        return Err(Trouble::NotYours { owner: bulk.actor }.into());
    }
    // A verb that nobody knows is nobody's to use.
    let needs = kind_of(&bulk.verb).map_or(Rank::Admin, rank_of);
    caller.require(app, needs, ("begin_bulk", &bulk_id.to_string())).await?;
    if bulk.state == "RUNNING" {
        return Ok(());
    }
    app.client.bulk_begin(&mut tx, bulk_id, KEEPER).await.map_err(told)?;
    let record = Record::of(&caller.actor(), "begin_bulk", &bulk_id.to_string());
    record.because(&bulk.reason).write(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// `POST /api/v1/operations/bulk/{bulk_id}/stop`: runs whose turn has not come are left as they are.
pub(super) async fn stop(
    caller: Caller,
    State(app): State<Shared>,
    Part(bulk_id): Part<Uuid>,
    Body(StopAsk { reason }): Body<StopAsk>,
) -> ApiResult<Answer<()>> {
    check_reason(&reason)?;
    let shared = Shared::clone(&app);
    app.finish(async move {
        let actor = caller.actor();
        let mut tx = shared.pool.begin().await?;
        let stopped = shared.client.bulk_cancel(&mut tx, bulk_id, &actor, &reason).await;
        stopped.map_err(told)?;
        let record = Record::of(&actor, "stop_bulk", &bulk_id.to_string()).because(&reason);
        record.write(&mut tx).await?;
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(Answer::ok("it is stopped", ()))
}

/// `GET /api/v1/operations/bulk/{bulk_id}`
pub(super) async fn show(
    State(app): State<Shared>,
    Part(bulk_id): Part<Uuid>,
) -> ApiResult<Answer<BulkShown>> {
    let shared = Shared::clone(&app);
    let shown = app
        .finish(async move { Ok(bulk_shown(&mut *shared.pool.acquire().await?, bulk_id).await?) });
    Ok(Answer::ok("a bulk action", shown.await?.ok_or(Trouble::BulkNotFound)?))
}

/// Refuses what no bulk action may be.
async fn check(app: &Shared, caller: &Caller, ask: &BulkAsk) -> ApiResult<()> {
    let kind = ask.what.kind();
    caller.require(app, rank_of(kind), (kind.as_str(), "many runs")).await?;
    let unusable = |message: &str| {
        Err(Trouble::Unusable { code: "BAD_BULK", message: message.to_owned() }.into())
    };
    if ask.selection.is_everything() {
        return unusable("nothing narrows the selection: say which runs");
    }
    if !(1..=1_000).contains(&ask.per_second) {
        return unusable("runs a second are 1 to 1,000");
    }
    Ok(())
}

/// A bulk action belongs to a person, who may lose the rank for it while it is under way.
fn owner(app: &App, caller: &Caller, reason: &str) -> ApiResult<Operator> {
    check_reason(reason)?;
    app.client.operator(&caller.operator, reason).map_err(told)
}
