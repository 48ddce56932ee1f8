//! What a worker can run: every workflow and activity of the shop. It starts none.

use std::sync::Arc;

use activities::gateway::{Gateway, GatewayConfig, RazorpayClient};
use makegood::Registry;

use crate::Error;

/// An address that nobody serves: a replay calls no gateway.
const NOWHERE: &str = "http://127.0.0.1:9";

/// All code of the shop, with a gateway to call.
pub(crate) fn with(gateway: Arc<dyn Gateway>) -> Registry {
    workflows::register(activities::register(Registry::new(), gateway))
}

/// All code of the shop, to replay records with: its gateway is at an address that nobody serves.
///
/// # Errors
/// When the gateway's client cannot be put together.
pub fn code() -> Result<Registry, Error> {
    let config = GatewayConfig::new(NOWHERE, "rzp_test_replay", "replay".into());
    Ok(with(Arc::new(RazorpayClient::new(config)?)))
}
