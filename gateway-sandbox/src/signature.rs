//! The gateway's two signatures, both lower-case hex of HMAC-SHA256. It never verifies: that is the receiver's part.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Signs what the checkout page hands back: `order_id|payment_id` under the API key's secret.
///
/// ```
/// let signature = gateway_sandbox::signature::payment(
///     &"sec_test_1".into(), "order_IluGWxBm9U8zJ8", "pay_IH4NVgf4Dreq1l");
/// assert!(signature.starts_with("5ff18486"));
/// ```
pub fn payment(key_secret: &SecretString, order_id: &str, payment_id: &str) -> String {
    sign(key_secret, format!("{order_id}|{payment_id}").as_bytes())
}

/// Signs a webhook: its raw body under the webhook secret.
pub fn webhook(webhook_secret: &SecretString, body: &[u8]) -> String {
    sign(webhook_secret, body)
}

fn sign(secret: &SecretString, message: &[u8]) -> String {
    // HMAC takes keys of any length; an error cannot come, and an empty signature fits nothing.
    Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .map(|mac| hex::encode(mac.chain_update(message).finalize().into_bytes()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_equal_the_published_vectors() {
        assert_eq!(
            payment(&"sec_test_1".into(), "order_IluGWxBm9U8zJ8", "pay_IH4NVgf4Dreq1l"),
            "5ff18486f25923bd7d4f61274dcfcc0f56e122961bd405d10f72444c9e760ffd"
        );
        assert_eq!(
            webhook(&"whsec_1".into(), br#"{"entity":"event","event":"payment.captured"}"#),
            "122657e2f5902c5f8db849d92294bac5a6183172c401bd1c9922afe4c9cf0ef6"
        );
    }
}
