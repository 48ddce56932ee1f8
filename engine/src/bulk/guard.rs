//! What is asked before each run of a bulk action: whether it goes on. Decides nothing by itself.

use sqlx::PgConnection;

use super::Progress;
use crate::error::Error;

/// What is asked before each run whether to go on.
///
/// ```
/// use makegood::bulk::{Go, Guard, Progress};
/// use makegood::Error;
///
/// /// Stops by itself once too many refuse.
/// struct Careful;
///
/// impl Guard for Careful {
///     async fn before(
///         &mut self,
///         _: &mut sqlx::PgConnection,
///         now: &Progress,
///     ) -> Result<Go, Error> {
///         if now.refused < 10 {
///             return Ok(Go::On);
///         }
///         Ok(Go::Stop { actor: "careful".to_owned(), reason: "ten refused".to_owned() })
///     }
/// }
/// ```
pub trait Guard {
    /// Whether to go on, in the transaction of the next run: what is locked here stays as it is
    /// until that run is done. What is written here is kept with [`Go::On`] and [`Go::Stop`]. Also asked
    /// when none is left; and while another process carries it out, where nothing is kept.
    fn before(
        &mut self,
        conn: &mut PgConnection,
        now: &Progress,
    ) -> impl Future<Output = Result<Go, Error>> + Send;
}

/// Whether a bulk action goes on.
///
/// ```
/// use makegood::bulk::Go;
///
/// fn next(stopping: bool) -> Go {
///     if stopping { Go::Rest } else { Go::On }
/// }
/// assert_eq!(next(false), Go::On);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Go {
    /// The next run.
    On,
    /// Not here: what is left is for whoever takes it up.
    Rest,
    /// Nowhere: runs whose turn has not come are left as they are.
    Stop {
        /// Who stops it.
        actor: String,
        /// Why.
        reason: String,
    },
}

/// Goes on to the end, and tells how far it is.
pub(super) struct Telling<F>(pub(super) F);

impl<F: FnMut(&Progress)> Guard for Telling<F> {
    fn before(
        &mut self,
        _: &mut PgConnection,
        now: &Progress,
    ) -> impl Future<Output = Result<Go, Error>> + Send {
        (self.0)(now);
        std::future::ready(Ok(Go::On))
    }
}
