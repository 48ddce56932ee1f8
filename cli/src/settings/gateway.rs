//! The payment gateway: where it is, and the keys for it.

use std::time::Duration;

use activities::gateway::{GatewayConfig, RazorpayClient, install_tls};
use secrecy::SecretString;

use super::faults::Wanted;
use super::{Faults, Profile};
use crate::args::GatewayKeyArgs;
use crate::secrets;

const URL: &str = "MAKEGOOD_GATEWAY_URL";

const KEY_ID: &str = "MAKEGOOD_GATEWAY_KEY_ID";

const KEY_SECRET: Wanted = Wanted {
    variable: "MAKEGOOD_GATEWAY_KEY_SECRET",
    bytes: 8,
    next: "copy it from the gateway's dashboard, where the key was made",
};

/// A key pair that fits the profile.
#[derive(Debug, Clone)]
pub(crate) struct GatewayKeys {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
}

impl GatewayKeys {
    pub(crate) fn read(
        args: &GatewayKeyArgs,
        profile: Profile,
        faults: &mut Faults,
    ) -> Option<Self> {
        let id = Self::id(args, profile, faults);
        let secret = faults.secret(&KEY_SECRET, args.gateway_key_secret.as_ref(), profile);
        Some(Self { id: id?, secret: secret? })
    }

    fn id(args: &GatewayKeyArgs, profile: Profile, faults: &mut Faults) -> Option<String> {
        let next = match profile {
            Profile::Production => "use the rzp_live_ key of the shop's account",
            Profile::Development | Profile::Test => "use an rzp_test_ key",
        };
        let id = faults.required(KEY_ID, args.gateway_key_id.as_deref(), next)?;
        if let Some(why) = secrets::misplaced_key(&id, profile) {
            faults.add(KEY_ID, why, next);
            return None;
        }
        let own = id.splitn(3, '_').last().unwrap_or_default();
        if let Some(why) = secrets::weakness(own).filter(|_| profile != Profile::Test) {
            faults.add(KEY_ID, why, next);
            return None;
        }
        Some(id)
    }
}

/// The gateway as a client needs it.
pub(crate) fn gateway(
    url: Option<&str>,
    keys: &GatewayKeyArgs,
    profile: Profile,
    timeout: Option<Duration>,
    faults: &mut Faults,
) -> Option<GatewayConfig> {
    let next = "give scheme and host without /v1, such as https://gateway.example";
    let url = faults.required(URL, url, next);
    let keys = GatewayKeys::read(keys, profile, faults);
    let url = url?;
    let checked = match &keys {
        Some(keys) => GatewayConfig::new(&url, &keys.id, keys.secret.clone()),
        // The address is checked by building a client for it, whatever the keys are like.
        None => GatewayConfig::new(&url, "none", SecretString::from("none")),
    };
    install_tls();
    if let Err(error) = RazorpayClient::new(checked.clone()) {
        faults.add(URL, format!("cannot be used: {error}"), next);
        return None;
    }
    let (_, timeout) = (keys?, timeout?);
    // Only a connection that never stood proves that nothing was sent.
    let connect_timeout = checked.connect_timeout.min(timeout / 2);
    Some(GatewayConfig { timeout, connect_timeout, ..checked })
}
