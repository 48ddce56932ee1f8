//! The payment gateway: reached with one call that only reads.

use std::time::Duration;

use activities::gateway::{Gateway, RazorpayClient};

use super::Finding;
use crate::args::DoctorArgs;
use crate::exit::Problem;
use crate::settings::{self, Faults, Profile};

const CHECK: &str = "gateway";

/// A receipt that no order has.
const NOBODY: &str = "makegood-doctor";

const PATIENCE: Duration = Duration::from_secs(4);

/// Examines the gateway, when one is configured.
pub(super) async fn examine(args: &DoctorArgs, profile: Profile) -> Finding {
    if args.gateway_url.as_deref().is_none_or(|url| url.trim().is_empty()) {
        let next = "set MAKEGOOD_GATEWAY_URL and the gateway's keys to have it checked";
        return Finding::warn(CHECK, "not configured here, so not asked", next);
    }
    let mut faults = Faults::default();
    let url = args.gateway_url.as_deref();
    let config = settings::gateway(url, &args.gateway, profile, Some(PATIENCE), &mut faults);
    let config = match faults.settle(config) {
        Ok(config) => config,
        Err(problem) => return misconfigured(&problem),
    };
    let place = config.base_url.clone();
    let answer = match RazorpayClient::new(config) {
        Ok(client) => client.orders_by_receipt(NOBODY).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(_) => Finding::ok(CHECK, format!("{place} answers and accepts the keys")),
        Err(error) => {
            let next = "check MAKEGOOD_GATEWAY_URL, the keys, and the way out of this machine";
            Finding::fail(CHECK, format!("{place}: {error}"), next)
        }
    }
}

fn misconfigured(problem: &Problem) -> Finding {
    let said = problem.to_string();
    Finding::fail(CHECK, said.trim_start_matches("error: "), "correct these settings")
}
