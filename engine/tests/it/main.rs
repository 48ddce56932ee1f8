//! The engine's promises, each a sentence, against a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first fault")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no outside")]

mod attempts;
mod batches;
mod cancelling;
mod cancels;
mod children;
mod clock;
mod compensation;
mod decisions;
mod fencing;
mod hostile;
mod leases;
mod refusals;
mod repeats;
mod runs;
mod signals;
mod statements;
mod support;
mod together;
mod trades;
mod unseen;
mod values;
mod world;
