//! The engine's promises, each a sentence, against a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first fault")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no outside")]

mod attempts;
mod cancelling;
mod cancels;
mod clock;
mod compensation;
mod decisions;
mod fencing;
mod hostile;
mod leases;
mod refusals;
mod repeats;
mod retention;
mod runs;
mod schedules;
mod signals;
mod statements;
mod support;
mod trades;
mod world;
