//! The one JSON form of money: `{"amount":"116.86","currency":"INR"}`.
//! Never a JSON number: readers would make a float of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Currency, Money};

/// An amount of money in major units.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Shape {
    /// With as many decimal places as the currency has.
    #[schema(pattern = "^-?[0-9]{1,16}([.][0-9]{1,3})?$")]
    amount: String,
    currency: Currency,
}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        Shape::schema()
    }
}

impl ToSchema for Money {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Shape::schemas(schemas);
    }
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
