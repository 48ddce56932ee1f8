//! Numbered SQL, forward only, and the code that applies it to a cell.
//! Never changes an applied file, and never undoes one.

mod apply;
mod cell;
pub mod database_url;
mod error;
mod files;
mod role;
pub mod rules;
mod statements;

pub use apply::{FileState, FileStatus, Part, Report, engine, run, status};
pub use cell::{Cell, InvalidCell};
pub use error::Error;
pub use files::{FILES, File};
pub use role::{APPLICATION_ROLE, ONLY_GROW, RoleState};
pub use statements::statements;
