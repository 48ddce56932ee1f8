//! Why a measurement could not be made; the variant says whose fault it is.

/// An error of a measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine did not take, drive or tell what it was asked.
    #[error(transparent)]
    Engine(#[from] makegood::Error),
    /// The database did not answer.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The shop's tables did not take what was to be measured.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A size that makes no sense, by the flag that gives it.
    #[error("{flag} {why}")]
    Setting {
        /// The flag.
        flag: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// What came of the work is not what must come of it: its figures are worth nothing.
    #[error("the work went wrong: {0}")]
    Wrong(String),
    /// The work stands still.
    #[error("nothing ended for {} s: {what}", .patience.as_secs())]
    Stalled {
        /// What was waited for.
        what: String,
        /// How long.
        patience: std::time::Duration,
    },
    /// A task of the load ended by itself.
    #[error("a part of the load died: {0}")]
    Part(#[from] tokio::task::JoinError),
}
