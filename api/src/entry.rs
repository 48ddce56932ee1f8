//! Where bytes from outside come in, read as the handlers read them, each with what must hold of
//! whatever comes out: for fuzzing, and for the test that replays its corpus.
//! Not a part of the interface; it changes without notice.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::body;
use crate::identity::Tokens;
use crate::v1::cart::Cart;
use crate::webhooks::event::Event;
use crate::webhooks::signature;

/// Nobody who makes inputs knows it.
const SECRET: &str = "a-secret-that-no-input-was-made-with";

/// The body of a webhook whose signature was right; whether it is an event.
///
/// # Panics
/// When an event without a usable kind is let through.
pub fn webhook(body: &[u8]) -> bool {
    let Ok(event) = Event::read(body) else { return false };
    assert!((1..=200).contains(&event.kind.len()), "an event has a kind");
    let ids = [event.order.map(String::from), event.payment.map(String::from)];
    for id in ids.into_iter().flatten().chain(event.refund.map(String::from)) {
        assert!((1..=128).contains(&id.len()) && id.is_ascii(), "an id can be stored: {id:?}");
    }
    true
}

/// The body of an order; whether it can be priced.
///
/// # Panics
/// When lines are let through that no shop could sell.
pub fn order(body: &[u8]) -> bool {
    let Ok(lines) = body::parse::<Cart>(body).and_then(Cart::lines) else { return false };
    assert!((1..=100).contains(&lines.len()), "an order has lines");
    assert!(lines.is_sorted_by(|a, b| a.sku < b.sku), "in the order in which stock is locked");
    let sellable = |units: i64| (1..=1_000_000).contains(&units);
    assert!(lines.iter().all(|line| sellable(line.quantity.get())), "in quantities that exist");
    true
}

/// An access token; whether somebody is let in by it, which must never be.
///
/// # Panics
/// When one is let in.
pub fn access_token(token: &[u8]) -> bool {
    let Ok(token) = std::str::from_utf8(token) else { return false };
    let tokens = Tokens::new(&SECRET.into(), Duration::from_mins(1));
    assert!(tokens.check(token).is_none(), "nobody signed {token:?}");
    false
}

/// A signature of 64 bytes, and the body that it is said to be of; whether it fits.
///
/// # Panics
/// When another than the only right one fits, or the right one does not.
pub fn signed(given: &[u8]) -> bool {
    let Some((given, body)) = given.split_at_checked(64) else { return false };
    let Ok(given) = std::str::from_utf8(given) else { return false };
    let secret: SecretString = SECRET.into();
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let right = mac.map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes()));
    let fits = signature::of_webhook(&secret, body).fits(given);
    assert_eq!(fits, right.as_deref() == Ok(given), "the right one fits, and no other");
    assert!(
        right.is_ok_and(|right| signature::of_webhook(&secret, body).fits(&right)),
        "and it does"
    );
    fits
}
