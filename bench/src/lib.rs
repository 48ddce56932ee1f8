//! What `makegood bench` measures. It drives load, reads counters and judges nothing; the processes
//! and the tables on the screen are the binary's.
//!
//! [`Site`] is where it happens, [`Opening`] what is read before the workers start, and each module
//! of a load answers with what it [`Measured`], of which the [`Report`] is made in the end.

mod check;
pub mod checkout;
pub mod console;
mod crowd;
pub mod engine;
mod error;
pub mod figures;
pub mod flash_sale;
pub mod idle;
pub mod latency;
mod measured;
mod meter;
mod processes;
mod raw_rates;
pub mod recovery;
mod site;
mod starter;
pub mod timers;
pub mod waiting;
mod works;

pub use error::Error;
pub use measured::{Measured, Opening, Report, Settings};
pub use site::Site;
pub use works::{Work, registry};
