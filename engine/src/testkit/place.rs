//! A world for one run: where its cell is, what is outside, and what keeps it alive.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::scenario::Result;
use crate::config::Database;
use crate::error::Error;

/// A world that one run has to itself: a cell, and settings that say where the outside is.
///
/// Worker processes are told its address and its settings, and nothing else.
///
/// ```
/// use makegood::testkit::Place;
///
/// let place = Place::new("postgres://localhost/test", "c_1").with("printer", "[::1]:9100");
/// assert_eq!(place.setting("printer").unwrap(), "[::1]:9100");
/// ```
#[derive(Serialize, Deserialize)]
pub struct Place {
    url: String,
    cell: String,
    settings: BTreeMap<String, String>,
    #[serde(skip)]
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Place {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("cell", &self.cell).finish_non_exhaustive()
    }
}

impl Place {
    /// A world in this cell of the database at `url`; the cell is migrated already.
    ///
    /// ```
    /// let place = makegood::testkit::Place::new("postgres://localhost/test", "c_1");
    /// assert_eq!(place.database().unwrap().cell(), "c_1");
    /// ```
    pub fn new(url: &str, cell: &str) -> Self {
        let (url, cell) = (url.to_owned(), cell.to_owned());
        Self { url, cell, settings: BTreeMap::new(), kept: Vec::new() }
    }

    /// Adds a setting, such as the address of something outside.
    ///
    /// ```
    /// let place = makegood::testkit::Place::new("postgres://localhost/test", "c_1").with("dpi", "300");
    /// assert_eq!(place.setting("dpi").unwrap(), "300");
    /// ```
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Keeps a value until the world is no longer needed: a guard that drops the cell, a server.
    ///
    /// ```
    /// use makegood::testkit::Place;
    ///
    /// let place = Place::new("postgres://localhost/test", "c_1").keeping(7_u8);
    /// assert_eq!(*place.kept::<u8>().unwrap(), 7);
    /// ```
    #[must_use]
    pub fn keeping(mut self, value: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(value));
        self
    }

    /// A setting.
    ///
    /// ```
    /// let place = makegood::testkit::Place::new("postgres://localhost/test", "c_1");
    /// assert!(place.setting("printer").is_err(), "it was made without one");
    /// ```
    ///
    /// # Errors
    /// When the world was made without it.
    pub fn setting(&self, name: &str) -> Result<&str> {
        let found = self.settings.get(name).map(String::as_str);
        found.ok_or_else(|| {
            format!("the place has no setting {name:?}: add it where it is made").into()
        })
    }

    /// A value that this world keeps; only in the test's own process.
    ///
    /// ```
    /// let place = makegood::testkit::Place::new("postgres://localhost/test", "c_1").keeping(7_u8);
    /// assert!(place.kept::<u8>().is_ok() && place.kept::<String>().is_err());
    /// ```
    ///
    /// # Errors
    /// When it keeps no such value.
    pub fn kept<T: Any>(&self) -> Result<&T> {
        let found = self.kept.iter().find_map(|value| value.downcast_ref());
        let kind = std::any::type_name::<T>();
        found.ok_or_else(|| format!("the place keeps no {kind} in this process").into())
    }

    /// The cell as the engine sees it.
    ///
    /// ```
    /// let place = makegood::testkit::Place::new("postgres://localhost/test", "c_1");
    /// assert!(place.database().is_ok());
    /// ```
    ///
    /// # Errors
    /// When the address is none.
    pub fn database(&self) -> std::result::Result<Database, Error> {
        Database::new(&self.url, &self.cell)
    }
}
