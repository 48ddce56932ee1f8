//! Load for the engine and what it came to. Measures; never judges.
//!
//! `cargo run --release -p makegood-bench --example backlog` runs it on a private PostgreSQL with
//! durable settings.

pub mod backlog;
