//! The one JSON form of money: `{"amount":"116.86","currency":"INR"}`.
//! Never a JSON number: readers would make a float of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Currency, Money};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shape { amount: self.to_decimal().to_string(), currency: self.currency }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = Shape::deserialize(deserializer)?;
        Self::parse(&shape.amount, shape.currency).map_err(de::Error::custom)
    }
}
