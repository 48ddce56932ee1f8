//! Rows in memory, found by id and by the one group each belongs to.

use std::collections::HashMap;

/// A list of rows that only grows.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<T>,
    by_id: HashMap<String, usize>,
    by_group: HashMap<String, Vec<usize>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), by_id: HashMap::new(), by_group: HashMap::new() }
    }
}

impl<T> Table<T> {
    pub(crate) fn insert(&mut self, id: &str, group: &str, row: T) {
        let place = self.rows.len();
        self.rows.push(row);
        self.by_id.insert(id.to_owned(), place);
        self.by_group.entry(group.to_owned()).or_default().push(place);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).and_then(|place| self.rows.get(*place))
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.by_id.get(id).and_then(|place| self.rows.get_mut(*place))
    }

    /// Every row, oldest first.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter()
    }

    /// The rows of one group, oldest first.
    pub(crate) fn group(&self, group: &str) -> impl DoubleEndedIterator<Item = &T> {
        let places = self.by_group.get(group).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.rows.get(*place))
    }

    /// How many rows a group has.
    pub(crate) fn group_len(&self, group: &str) -> usize {
        self.by_group.get(group).map_or(0, Vec::len)
    }
}
