//! The worker process: the engine's worker with the shop's registry, its health and its metrics.
//!
//! It reads no environment and handles no signals: whoever starts it does. Read on in `process.rs`
//! (what starts and ends in which order), `schedules.rs`
//! (what is started by the clock), `health.rs` (its own port) and `gauges.rs`.

mod code;
mod config;
mod error;
mod gauges;
mod health;
mod process;
mod schedules;

pub use code::code;
pub use config::Config;
pub use error::Error;
pub use process::{WorkerProcess, run};
pub use schedules::Reconciling;
