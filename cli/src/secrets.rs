//! Which secrets are too weak to start with, and which gateway keys belong into which profile.
//! It never repeats a secret in what it says.

use crate::settings::Profile;

/// The beginnings of secrets that are there to be replaced, without punctuation, in lower case.
const PLACEHOLDERS: [&str; 20] = [
    "changeme",
    "changethis",
    "changeit",
    "replace",
    "placeholder",
    "example",
    "sample",
    "dummy",
    "default",
    "todo",
    "fixme",
    "insert",
    "test",
    "secret",
    "mysecret",
    "supersecret",
    "password",
    "admin",
    "your",
    "xxx",
];

/// Parts that no random secret has.
const TELLTALES: [&str; 4] = ["changeme", "changethis", "placeholder", "replaceme"];

/// What is wrong with a secret, if anything; lengths are another matter.
pub(crate) fn weakness(secret: &str) -> Option<&'static str> {
    let secret = secret.trim();
    let plain: String =
        secret.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let bracketed = ["<", "${", "{{", "["].iter().any(|open| secret.starts_with(open));
    let placeholder = PLACEHOLDERS.iter().any(|word| plain.starts_with(word))
        || TELLTALES.iter().any(|word| plain.contains(word));
    if placeholder || bracketed {
        return Some("is a placeholder");
    }
    is_repetition(secret.as_bytes()).then_some("repeats one short pattern")
}

/// Whether the bytes are one pattern, at least twice.
fn is_repetition(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| {
        bytes.iter().zip(bytes.iter().skip(period)).all(|(earlier, later)| earlier == later)
    })
}

/// Why a gateway key does not fit the profile, if it does not.
pub(crate) fn misplaced_key(key_id: &str, profile: Profile) -> Option<&'static str> {
    let live = key_id.starts_with("rzp_live_");
    let test = key_id.starts_with("rzp_test_");
    match profile {
        _ if !live && !test => Some("is no key id: those begin with rzp_test_ or rzp_live_"),
        Profile::Production if test => {
            Some("is a test key, and the profile is production: no money would move")
        }
        Profile::Development | Profile::Test if live => {
            Some("is a live key, and the profile is not production: real money would move")
        }
        Profile::Development | Profile::Test | Profile::Production => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_and_patterns_are_weak() {
        for weak in [
            "changeme",
            "change-me-in-production-0123456789abcdef",
            "secret",
            "your-256-bit-secret-goes-here-please",
            "YOUR_KEY",
            "test",
            "test-secret-test-secret-test-secret-x",
            "<jwt secret>",
            "${JWT_SECRET}",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0123456789012345678901234567890123456789",
            "please-changeme-now-9f8e7d6c5b4a39281706",
            "xxxxxxxx",
        ] {
            assert!(weakness(weak).is_some(), "{weak} is refused");
        }
    }

    #[test]
    fn random_secrets_are_accepted() {
        for strong in [
            "f2b9c1d47e8a4b6c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6",
            "tX9!kd0-Qw7zR4mB1nV8cL2pJ6hG3fD5",
            "Zm9vYmFyYmF6cXV4LzEyMzQ1Njc4OTA=",
        ] {
            assert_eq!(weakness(strong), None, "{strong} is accepted");
        }
    }

    #[test]
    fn keys_move_real_money_in_production_only() {
        assert!(misplaced_key("rzp_live_a1", Profile::Development).is_some());
        assert!(misplaced_key("rzp_live_a1", Profile::Test).is_some());
        assert!(misplaced_key("rzp_test_a1", Profile::Production).is_some());
        assert!(misplaced_key("sk_live_a1", Profile::Production).is_some());
        assert_eq!(misplaced_key("rzp_live_a1", Profile::Production), None);
        assert_eq!(misplaced_key("rzp_test_a1", Profile::Development), None);
        assert_eq!(misplaced_key("rzp_test_a1", Profile::Test), None);
    }
}
