//! Attributes: names and values by which runs are found again. They decide nothing about a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Most attributes of one run.
const MOST: usize = 16;
/// Longest name, and longest value, in characters.
const LONGEST: usize = 200;

/// What runs are found by: up to 16 names with a value each, both of up to 200 characters.
///
/// Given at the start by [`crate::StartOptions::attribute`], and the run's as long as it is kept.
/// What changes while it runs is published: [`crate::Ctx::publish`].
///
/// ```
/// use makegood::Attributes;
///
/// let of_a_customer = Attributes::new().with("customer", "81").with("shop", "books");
/// assert_eq!(of_a_customer.get("customer"), Some("81"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// None: every run has all of them.
    ///
    /// ```
    /// assert!(makegood::Attributes::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and one more; of two values of a name the last counts.
    ///
    /// ```
    /// let of_a_shop = makegood::Attributes::new().with("shop", "books").with("shop", "toys");
    /// assert_eq!(of_a_shop.get("shop"), Some("toys"));
    /// ```
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of a name.
    ///
    /// ```
    /// assert_eq!(makegood::Attributes::new().get("shop"), None);
    /// ```
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(!makegood::Attributes::new().with("shop", "books").is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is stored; `None` when there is none.
    pub(crate) fn json(&self) -> Option<String> {
        if self.is_empty() { None } else { serde_json::to_string(&self.0).ok() }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refused = |why: String| Err(Error::Attribute(why));
        if self.0.len() > MOST {
            return refused(format!("a run has {} attributes; use up to {MOST}", self.0.len()));
        }
        for (name, value) in &self.0 {
            let lengths = (name.chars().count(), value.chars().count());
            if lengths.0 == 0 || lengths.0.max(lengths.1) > LONGEST {
                return refused(format!(
                    "{name:?} or its value is longer than {LONGEST}, or empty"
                ));
            }
            if name.contains('\0') || value.contains('\0') {
                return refused(format!("{name:?} or its value has a NUL, which is not stored"));
            }
        }
        Ok(())
    }
}
