//! What the driver and the peers' programs share: the work, the lines they exchange, the load.
//! Knows no engine: each peer's program brings its own behind [`Peer`].
//!
//! A program prints `READY`, then answers each order, a line such as `run steps4 closed 64 3000`,
//! with one line of JSON, a [`Report`]. It ends with its standard input.

mod ends;
mod load;
mod order;
mod report;
mod serve;
mod work;

pub use ends::Ends;
pub use order::{Load, Order};
pub use report::Report;
pub use serve::{Peer, READY, serve};
pub use work::{Input, Line, PAID, RESULT, STEPS, Work};
