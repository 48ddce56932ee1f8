//! Waiting on conditions: every wait asks again and again, and has an end.
//! Nothing here waits for a fixed time.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long a test waits for what must come: a debug build on a busy machine is slow, and a worker
/// that stands still in a transaction keeps its locks until the server ends its session.
pub const PATIENCE: Duration = Duration::from_mins(2);

const PAUSE: Duration = Duration::from_millis(15);

/// What `look` finds, as soon as it finds something.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// The same with a limit of its own.
pub async fn until_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain: {what}");
        sleep(PAUSE).await;
    }
}
