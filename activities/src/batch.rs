//! What the activities that run for many checkouts at once have in common.

use makegood::{ActivityError, ActivityResult};

/// What was looked at under its lock changes as decided; if it does not, something went past the
/// lock, and the whole batch is tried again.
pub(crate) fn expect_all(changed: usize, wanted: usize, what: &str) -> ActivityResult<()> {
    if changed == wanted {
        return Ok(());
    }
    Err(ActivityError::retryable(format!("{changed} of {wanted} {what} changed")))
}
