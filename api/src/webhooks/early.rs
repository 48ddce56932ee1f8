//! Tries kept webhooks again that matched no payment when they came: they may have been early.
//! Each further try comes later, at most an hour; the reconciler gives them up after days.

use domain::WebhookState;
use store::webhooks;
use tokio::time::sleep;

use super::event::Event;
use super::kinds;
use crate::app::{App, Shared};
use crate::error::ApiResult;

/// How many are tried in one go.
const MOST: usize = 500;

/// Looks for them again and again until the server stops.
pub(crate) async fn retry(app: Shared) {
    loop {
        tokio::select! {
            () = sleep(app.config.retry_every) => {}
            () = app.stopped() => return,
        }
        for _ in 0..MOST {
            let shared = Shared::clone(&app);
            match app.finish(async move { try_one(&shared).await }).await {
                Ok(Some(WebhookState::Unmatched)) => {}
                Ok(Some(_)) => tracing::info!("an early webhook was passed on"),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(error = ?error, "early webhooks could not be tried");
                    break;
                }
            }
        }
    }
}

/// Tries the one whose turn it is; `None` when there is none.
///
/// One in a transaction: several would lock several runs, in an order that nobody agreed on.
async fn try_one(app: &App) -> ApiResult<Option<WebhookState>> {
    let mut tx = app.pool.begin().await?;
    let Some(kept) = webhooks::unmatched(&mut tx, 1).await?.pop() else { return Ok(None) };
    let state = kinds::pass_on(app, &mut tx, &Event::read(&kept.raw_body)?).await?;
    webhooks::set_state(&mut tx, &kept.event_id, state).await?;
    tx.commit().await?;
    app.client.wake();
    Ok(Some(state))
}
