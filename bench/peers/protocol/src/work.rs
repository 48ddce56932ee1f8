//! The work: what every engine is given to do, byte for byte the same.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a workflow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Four steps that do nothing, one after the other.
    Steps4,
    /// Three such steps, a signal sent right after the start, a fourth step.
    Checkout,
}

impl Work {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Steps4, Self::Checkout];

    /// As it is written in orders, tables and workflows' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps4 => "steps4",
            Self::Checkout => "checkout",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|work| work.name() == name);
        found.ok_or_else(|| format!("no work is called {name:?}: it is steps4 or checkout"))
    }
}

/// The names of the four steps; a checkout waits for its signal before the last.
pub const STEPS: [&str; 4] = ["reserve", "quote", "charge", "ship"];

/// What each step returns, 100 bytes of JSON.
pub const RESULT: &str = "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";

/// What the signal carries, as much as a step returns.
pub const PAID: &str = "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp";

/// The input of a workflow, about 300 bytes of JSON. Its output is the order's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The workflow's id too.
    pub order_id: String,
    /// Who buys.
    pub customer: String,
    /// What.
    pub lines: Vec<Line>,
    /// Makes up the size.
    pub note: String,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The article.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// The price of one.
    pub price_minor: u64,
}

impl Input {
    /// The order of this id.
    pub fn of(order_id: &str) -> Self {
        let line = |quantity: u32| Line {
            sku: format!("SKU-0000{quantity}"),
            quantity,
            price_minor: 1_999,
        };
        Self {
            order_id: order_id.to_owned(),
            customer: "cust-000000042".to_owned(),
            lines: (1..=3).map(line).collect(),
            note: "x".repeat(50),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_results_have_the_sizes_that_are_published() {
        let input = serde_json::to_string(&Input::of("w1763640000000-00000001")).unwrap();
        assert!((290..=310).contains(&input.len()), "an input has about 300 B: {}", input.len());
        for result in [RESULT, PAID] {
            assert_eq!(serde_json::to_string(result).unwrap().len(), 100, "a result has 100 B");
        }
    }
}
