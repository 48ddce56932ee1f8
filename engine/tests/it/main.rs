//! The engine's promises, each a sentence, against a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first fault")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no outside")]

mod asking;
mod attempts;
mod attributes;
mod batches;
mod bulk;
mod cancelling;
mod cancels;
mod children;
mod clock;
mod compensation;
mod crossings;
mod decisions;
mod fairness;
mod fencing;
mod full_disk;
mod hostile;
mod idle;
mod leases;
mod limits;
mod operator_children;
mod operator_forks;
mod operator_orders;
mod operator_records;
mod operator_table;
mod outgrown;
mod oversize;
mod panics;
mod patience;
mod queues;
mod refusals;
mod repeats;
mod replays;
mod retention;
mod rolled_back;
mod runs;
mod schedules;
mod settings;
mod shared;
mod signals;
mod stalls;
mod statements;
mod states;
mod support;
mod together;
mod trades;
mod undo_outputs;
mod unseen;
mod values;
mod vanishing;
mod versions;
mod whole;
mod world;
