//! Lists on the wire: query parameters in, a `collection` out, newest first.

use axum::extract::Query;
use serde::Serialize;
use serde_json::{Value, json};

use crate::refusal::Refusal;

const DEFAULT_COUNT: usize = 10;
const LARGEST_COUNT: usize = 100;

/// The raw pairs of a query string; names like `expand[]` may come more than once.
pub(crate) type Pairs = Query<Vec<(String, String)>>;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    from: u64,
    to: u64,
    count: usize,
    skip: usize,
}

impl Page {
    pub(crate) fn parse(pairs: &Pairs) -> Result<Self, Refusal> {
        let count = number(pairs, "count")?.unwrap_or(DEFAULT_COUNT);
        if count == 0 || count > LARGEST_COUNT {
            let limit = format!("The count must be between 1 and {LARGEST_COUNT}");
            return Err(Refusal::field("count", limit));
        }
        Ok(Self {
            from: number(pairs, "from")?.unwrap_or(0),
            to: number(pairs, "to")?.unwrap_or(u64::MAX),
            count,
            skip: number(pairs, "skip")?.unwrap_or(0),
        })
    }

    /// The rows of this page; `rows` come newest first.
    pub(crate) fn cut<'rows, T: 'rows>(
        &self,
        rows: impl Iterator<Item = &'rows T>,
        created_at: impl Fn(&T) -> u64,
    ) -> Vec<&'rows T> {
        rows.filter(|row| (self.from..=self.to).contains(&created_at(row)))
            .skip(self.skip)
            .take(self.count)
            .collect()
    }
}

/// The first value of `name`.
pub(crate) fn value<'pairs>(pairs: &'pairs Pairs, name: &str) -> Option<&'pairs str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Whether `expand[]=name` was asked for.
pub(crate) fn expands(pairs: &Pairs, name: &str) -> bool {
    pairs.iter().any(|(key, value)| key.starts_with("expand") && value == name)
}

/// A list as the wire shows it.
pub(crate) fn collection<T: Serialize>(items: &[T]) -> Value {
    json!({"entity": "collection", "count": items.len(), "items": items})
}

fn number<T: std::str::FromStr>(pairs: &Pairs, name: &str) -> Result<Option<T>, Refusal> {
    value(pairs, name)
        .map(|text| {
            text.parse().map_err(|_| Refusal::field(name, format!("The {name} must be an integer")))
        })
        .transpose()
}
