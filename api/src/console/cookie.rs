//! The cookie that carries a session's token, and nothing else.

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// A browser takes the first only over https, for this host alone, and for all of its paths.
fn name(secure: bool) -> &'static str {
    if secure { "__Host-makegood-console" } else { "makegood-console" }
}

/// A token that nobody guesses: 256 random bits.
pub(super) fn token() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// What the database keeps of a token.
pub(super) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// The token that a browser sent.
pub(super) fn read(headers: &HeaderMap, secure: bool) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, token) = pairs.find(|(given, _)| given.trim() == name(secure))?;
    Some(token.trim().to_owned())
}

/// Has the browser keep the token until it is closed. `Lax`, because a link to a run in a chat must
/// open: what is reached by a link changes nothing.
pub(super) fn keep(token: &str, secure: bool) -> HeaderValue {
    written(&format!("{}={token}", name(secure)), secure)
}

/// Has the browser forget it.
pub(super) fn forget(secure: bool) -> HeaderValue {
    written(&format!("{}=; Max-Age=0", name(secure)), secure)
}

fn written(pair: &str, secure: bool) -> HeaderValue {
    let end = if secure { "; Secure" } else { "" };
    let text = format!("{pair}; Path=/; HttpOnly; SameSite=Lax{end}");
    // A token is hexadecimal, so this is always a header.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
