//! A cell: one PostgreSQL schema with every table of a deployment.
//! Never a name that would need quoting.

use std::fmt;
use std::str::FromStr;

/// A name that is not a cell's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cell's name is a lower-case letter, then up to 40 lower-case letters, digits and _")]
pub struct InvalidCell;

/// The name of a cell; `makegood` unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(String);

impl Cell {
    /// Checks `name`: a lower-case letter, then up to 40 lower-case letters, digits and `_`.
    ///
    /// # Errors
    /// When it is anything else, or begins with `pg_`, which the server keeps for itself.
    pub fn new(name: &str) -> Result<Self, InvalidCell> {
        let valid = name.len() <= 41
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.starts_with("pg_")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if valid { Ok(Self(name.to_owned())) } else { Err(InvalidCell) }
    }

    /// The name, which is also the schema's.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self("makegood".to_owned())
    }
}

impl FromStr for Cell {
    type Err = InvalidCell;

    fn from_str(name: &str) -> Result<Self, InvalidCell> {
        Self::new(name)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_cells() {
        for good in ["makegood", "a", "t_1", &"a".repeat(41)] {
            assert!(Cell::new(good).is_ok(), "{good:?} is a cell");
        }
        for bad in ["", "1a", "_a", "A", "a-b", "a\"b", "pg_x", "a b", &"a".repeat(42)] {
            assert_eq!(Cell::new(bad), Err(InvalidCell), "{bad:?} is no cell");
        }
    }
}
