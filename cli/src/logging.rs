//! Logs: to stderr, as JSON lines in production and as text elsewhere, filtered by target.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged and how.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// Targets and levels, checked.
    pub(crate) filter: String,
    /// The look of a line.
    pub(crate) format: LogFormat,
}

/// Pools roll back what is returned to them, and PostgreSQL notes each time that nothing was open.
const QUIETED: &str = "sqlx::postgres::notice=error";

/// Starts to log, unless the process logs already.
pub(crate) fn start(settings: &LogSettings) {
    let builder = fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(format!("{QUIETED},{}", settings.filter)))
        .with_ansi(std::io::stderr().is_terminal());
    // An error says that a subscriber is there, which serves as well.
    let _ = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
