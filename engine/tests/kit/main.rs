//! The test kit holds good sagas to be good, and finds what is wrong with each of the planted ones.
//! A lending desk: books and a ledger in the cell, a printer of slips outside.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]
#![allow(clippy::panic, reason = "a test stops at the first fault")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no outside")]

mod cell;
mod desk;
mod lending;
mod paper;
mod planted;
mod printer;
mod scenarios;
mod time;
mod wrong;
