//! What `makegood bench` measures. It drives load, reads counters and judges nothing; the processes
//! and the tables on the screen are the binary's.
//!
//! [`Site`] is where it happens, [`Opening`] what is read before the workers start, and each module
//! of a load answers with what it [`Measured`], of which the [`Report`] is made in the end.

mod check;
pub mod engine;
mod error;
pub mod figures;
pub mod idle;
mod insert_commits;
pub mod latency;
mod measured;
mod meter;
mod processes;
mod site;
mod starter;
mod works;

pub use error::Error;
pub use measured::{Measured, Opening, Report, Settings};
pub use site::Site;
pub use works::{Work, registry};
