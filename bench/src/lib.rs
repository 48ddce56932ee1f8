//! Load for the engine and what it came to. Measures; never judges.
//!
//! `cargo run --release -p makegood-bench --example backlog`, `flash_sale` or `waiting` runs it on a private
//! PostgreSQL with durable settings.

pub mod backlog;
pub mod flash_sale;
pub mod waiting;
