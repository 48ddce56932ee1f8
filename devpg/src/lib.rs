//! A private PostgreSQL from local binaries, for demo, dev and tests.
//! It never installs anything, never runs as root and never outlives whoever uses it.
//!
//! [`Cluster`] belongs to one process: `makegood demo`, `makegood dev` and crash tests.
//! [`shared::url`] gives every test process of a workspace the same cluster, for as long as one
//! of them lives.
//!
//! ```no_run
//! use devpg::{Cluster, Options};
//!
//! let cluster = Cluster::start(&Options::fast())?;
//! println!("{}", cluster.url("postgres"));
//! cluster.stop()?;
//! # Ok::<(), devpg::Error>(())
//! ```
//!
//! How it keeps its promises: the server is the child of a small shell guard in a process group of
//! its own. The guard reads a pipe whose far end only the users of the cluster hold, so the end of
//! the last of them, even by SIGKILL, closes the pipe, and the guard shuts the server down.

mod account;
mod binaries;
mod cluster;
#[cfg(feature = "download")]
mod download;
mod error;
mod guard;
mod home;
mod options;
mod random;
pub mod shared;
mod sweep;

pub use binaries::{Binaries, Version};
pub use cluster::Cluster;
pub use error::Error;
pub use options::{Data, Options, Purpose};
