//! Waits for the saga: looks again and again until something is there, for so long and no longer.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::error::ApiResult;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What `look` found, within the configured wait; `None` when nothing came, or the server stops.
///
/// Each look is a short transaction of its own: no connection is held while waiting.
pub(crate) async fn for_saga<T, F>(app: &App, mut look: impl FnMut() -> F) -> ApiResult<Option<T>>
where
    F: Future<Output = ApiResult<Option<T>>>,
{
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        let left = app.config.settle_wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        tokio::select! {
            () = sleep(pause.min(left)) => {}
            () = app.stopped() => return Ok(None),
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}
