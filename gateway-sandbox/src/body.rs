//! Reads request bodies field by field, so that each fault in them is named as the gateway names it.

use serde_json::{Map, Value};

use crate::{
    model::{Minor, Notes},
    refusal::Refusal,
};

const NOTES_PAIRS: usize = 15;
const NOTES_LENGTH: usize = 256;
pub(crate) const RECEIPT_LENGTH: usize = 40;

/// A JSON object from a caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    /// Reads `bytes`; nothing at all and `null` count as an empty object.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null) => Ok(Self(Map::new())),
            Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                Err(Refusal::invalid("The body must be a JSON object"))
            }
        }
    }

    /// The same fields as one value, to compare two requests by meaning.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Refusal::field(
                name,
                format!("{name} is/are not required and should not be sent"),
            )),
            None => Ok(()),
        }
    }

    pub(crate) fn optional_amount(&self, field: &str) -> Result<Option<Minor>, Refusal> {
        self.get(field)
            .map(|value| {
                value
                    .as_u64()
                    .map(Minor::new)
                    .ok_or_else(|| Refusal::field(field, format!("The {field} must be an integer")))
            })
            .transpose()
    }

    pub(crate) fn amount(&self, field: &str) -> Result<Minor, Refusal> {
        self.optional_amount(field)?.ok_or_else(|| required(field))
    }

    pub(crate) fn optional_text(&self, field: &str) -> Result<Option<String>, Refusal> {
        self.get(field)
            .map(|value| {
                value
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| Refusal::field(field, format!("The {field} must be a string")))
            })
            .transpose()
    }

    pub(crate) fn text(&self, field: &str) -> Result<String, Refusal> {
        self.optional_text(field)?.ok_or_else(|| required(field))
    }

    pub(crate) fn receipt(&self) -> Result<Option<String>, Refusal> {
        let receipt = self.optional_text("receipt")?;
        match &receipt {
            Some(text) if text.chars().count() > RECEIPT_LENGTH => Err(Refusal::field(
                "receipt",
                format!("The receipt may not be longer than {RECEIPT_LENGTH} characters"),
            )),
            Some(_) | None => Ok(receipt),
        }
    }

    pub(crate) fn notes(&self) -> Result<Notes, Refusal> {
        let pairs = match self.get("notes") {
            None => Map::new(),
            Some(Value::Object(pairs)) => pairs.clone(),
            Some(Value::Array(list)) if list.is_empty() => Map::new(),
            Some(_) => return Err(Refusal::field("notes", "The notes must be key-value pairs")),
        };
        let too_long = |value: &Value| value.as_str().is_some_and(|t| t.len() > NOTES_LENGTH);
        if pairs.len() > NOTES_PAIRS || pairs.values().any(too_long) {
            let limit = format!("At most {NOTES_PAIRS} notes of {NOTES_LENGTH} characters each");
            return Err(Refusal::field("notes", limit));
        }
        Ok(Notes(pairs))
    }
}

fn required(field: &str) -> Refusal {
    Refusal::field(field, format!("The {field} field is required"))
}
