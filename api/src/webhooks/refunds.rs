//! Events about refunds. A refund is read from the gateway by the saga that made it, so nobody is
//! told yet.

use domain::WebhookState;
use store::Conn;

use super::event::Event;
use crate::app::App;
use crate::error::ApiResult;

/// Tells whoever waits for the refund.
#[expect(clippy::unused_async, reason = "the shape of every family")]
pub(super) async fn pass_on(_: &App, _: &mut Conn, _: &Event) -> ApiResult<WebhookState> {
    Ok(WebhookState::Ignored)
}
