//! One operation of the API, as its document tells it: who may, what it takes, what it answers,
//! and how it is refused.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::envelope::Envelope;
use crate::error::ApiError;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Anybody,
    SignedIn,
    Admin,
    Service,
}

/// A schema and the schemas that it refers to.
type Named = (Value, Vec<(String, Value)>);

pub(super) struct Op {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    tag: &'static str,
    about: &'static str,
    caller: Caller,
    parameters: Vec<Value>,
    body: Option<(Named, Value)>,
    answers: BTreeMap<u16, (&'static str, Option<Named>, Value)>,
    refusals: Vec<ApiError>,
    is_enveloped: bool,
}

/// A type's schema, by reference.
fn named<T: ToSchema>() -> Named {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    parts.push((T::name().into_owned(), T::schema()));
    let parts = parts.into_iter().map(|(name, schema)| (name, value(&schema))).collect();
    (by_name(&T::name()), parts)
}

fn by_name(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

impl Op {
    pub(super) fn get(path: &'static str, tag: &'static str, about: &'static str) -> Self {
        Self::new("get", path, tag, about)
    }

    pub(super) fn post(path: &'static str, tag: &'static str, about: &'static str) -> Self {
        let slow = [ApiError::BodyTooSlow, ApiError::TooLarge { limit: crate::body::BODY_LIMIT }];
        Self::new("post", path, tag, about).refuses(slow)
    }

    fn new(
        method: &'static str,
        path: &'static str,
        tag: &'static str,
        about: &'static str,
    ) -> Self {
        let busy = "no connection".into();
        let refusals = vec![
            ApiError::Overloaded,
            ApiError::Unavailable(busy),
            ApiError::Timeout,
            ApiError::Stopping,
        ];
        let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        Self {
            method,
            path,
            tag,
            about,
            caller: Caller::Anybody,
            parameters: names.map(in_path).collect(),
            body: None,
            answers: BTreeMap::new(),
            refusals,
            is_enveloped: true,
        }
    }

    /// Not in the envelope, and never refused.
    pub(super) fn bare(mut self) -> Self {
        (self.is_enveloped, self.refusals) = (false, Vec::new());
        self
    }

    pub(super) fn by(mut self, caller: Caller) -> Self {
        self.caller = caller;
        match caller {
            Caller::Anybody => self,
            Caller::SignedIn => self.refuses([ApiError::Unauthorized]),
            Caller::Admin | Caller::Service => {
                self.refuses([ApiError::Unauthorized, ApiError::Forbidden])
            }
        }
    }

    /// Takes an idempotency key.
    pub(super) fn keyed(self) -> Self {
        let schema = json!({
            "type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[ -~]{8,128}$",
        });
        let about = "The caller's name for this intention: a repeat under it does nothing twice.";
        self.header("Idempotency-Key", true, schema, about)
    }

    pub(super) fn header(self, name: &str, required: bool, schema: Value, about: &str) -> Self {
        self.parameter("header", name, required, schema, about)
    }

    pub(super) fn query(self, name: &str, required: bool, schema: Value, about: &str) -> Self {
        self.parameter("query", name, required, schema, about)
    }

    fn parameter(
        mut self,
        place: &str,
        name: &str,
        required: bool,
        schema: Value,
        about: &str,
    ) -> Self {
        let mut told =
            json!({ "name": name, "in": place, "required": required, "description": about });
        put_in(&mut told, "schema", schema);
        self.parameters.push(told);
        self.refuses([malformed()])
    }

    pub(super) fn takes<T: ToSchema>(mut self, example: Value) -> Self {
        self.body = Some((named::<T>(), example));
        self.refuses([malformed(), ApiError::NotJson])
    }

    /// Takes any JSON.
    pub(super) fn takes_anything(mut self, example: Value) -> Self {
        self.body = Some(((json!({ "type": "object" }), Vec::new()), example));
        self.refuses([malformed()])
    }

    pub(super) fn answers<T: ToSchema>(
        mut self,
        status: u16,
        about: &'static str,
        example: Value,
    ) -> Self {
        self.answers.insert(status, (about, Some(named::<T>()), example));
        self
    }

    /// Answers with a text or an object of this kind, or with nothing.
    pub(super) fn says(mut self, status: u16, about: &'static str, kind: Option<&str>) -> Self {
        self.answers.insert(status, (about, None, json!(kind)));
        self
    }

    pub(super) fn refuses(mut self, refusals: impl IntoIterator<Item = ApiError>) -> Self {
        self.refusals.extend(refusals);
        self
    }

    /// The operation's part of the document; what it refers to goes to the schemas, and to the
    /// refusals, which many operations share.
    pub(super) fn told(
        self,
        schemas: &mut Map<String, Value>,
        refused: &mut BTreeMap<String, Value>,
    ) -> Value {
        let mut put = |(schema, parts): Named| {
            schemas.extend(parts);
            schema
        };
        let mut responses = Map::new();
        for (status, (about, schema, example)) in self.answers {
            let content = match schema {
                Some(schema) if self.is_enveloped => {
                    let schema = enveloped(status, &put(schema));
                    let example = json!({
                        "status_code": status, "message": about, "data": example, "error": null,
                    });
                    json!({ "application/json": { "schema": schema, "example": example } })
                }
                Some(schema) => {
                    json!({ "application/json": { "schema": put(schema), "example": example } })
                }
                None => match example.as_str() {
                    Some(kind) if kind.ends_with("/json") => {
                        json!({ kind: { "schema": { "type": "object" } } })
                    }
                    Some(kind) => json!({ kind: { "schema": { "type": "string" } } }),
                    None => json!({}),
                },
            };
            responses
                .insert(status.to_string(), json!({ "description": about, "content": content }));
        }
        for (status, mut name, refusals) in by_status(self.refusals) {
            while refused.get(&name).is_some_and(|other| *other != refusals) {
                name.push_str("_or_other");
            }
            let shared = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status, shared);
            refused.insert(name, refusals);
        }
        let mut told = json!({
            "tags": [self.tag],
            "summary": self.about,
            "operationId": operation_id(self.method, self.path),
            "parameters": self.parameters,
            "responses": responses,
        });
        if let Some((schema, example)) = self.body {
            let content =
                json!({ "application/json": { "schema": put(schema), "example": example } });
            put_in(&mut told, "requestBody", json!({ "required": true, "content": content }));
        }
        if self.caller != Caller::Anybody {
            put_in(&mut told, "security", json!([{ "token": [] }]));
            let who = match self.caller {
                Caller::Anybody | Caller::SignedIn => "Anybody who is signed in.",
                Caller::Admin => "Admins alone.",
                Caller::Service => "Other systems of the shop, whose role is service, alone.",
            };
            put_in(&mut told, "description", json!(who));
        }
        told
    }
}

fn put_in(object: &mut Value, key: &str, part: Value) {
    if let Some(parts) = object.as_object_mut() {
        parts.insert(key.to_owned(), part);
    }
}

fn malformed() -> ApiError {
    ApiError::field("lines[0].quantity", "a quantity is a whole number from 1 to 1000000")
}

fn in_path(name: &str) -> Value {
    let schema = match name {
        "sku" => json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" }),
        _ => json!({ "type": "string", "format": "uuid" }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

fn enveloped(status: u16, data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["status_code", "message", "data", "error"],
        "properties": {
            "status_code": { "const": status },
            "message": { "type": "string" },
            "data": data,
            "error": { "type": "null" },
        },
    })
}

/// What every refusal looks like.
pub(super) fn refusal() -> Map<String, Value> {
    let failure = json!({
        "type": "object",
        "required": ["code", "message", "retryable", "details", "request_id"],
        "properties": {
            "code": { "type": "string", "description": "Stable; made for programs." },
            "message": { "type": "string", "description": "Made for people." },
            "retryable": {
                "type": "boolean",
                "description": "Whether the same request may succeed later.",
            },
            "details": { "type": "object" },
            "request_id": { "type": "string" },
        },
    });
    let refusal = json!({
        "type": "object",
        "required": ["status_code", "message", "data", "error"],
        "properties": {
            "status_code": { "type": "integer" },
            "message": { "type": "string" },
            "data": { "type": "null" },
            "error": by_name("Failure"),
        },
    });
    Map::from_iter([("Failure".to_owned(), failure), ("Refusal".to_owned(), refusal)])
}

/// The refusals of each status: a name after the first code, and the first one as an example.
fn by_status(refusals: Vec<ApiError>) -> Vec<(String, String, Value)> {
    let mut grouped = BTreeMap::<u16, (Vec<&'static str>, Vec<String>, Value)>::new();
    for refusal in refusals {
        let said: Envelope<()> = refusal.envelope("01997b5ffcf47d2e8f6b9f1b8a3c4d5e".to_owned());
        let Some(failure) = &said.error else { continue };
        let entry = grouped.entry(said.status_code).or_insert_with(|| {
            let example = value(&said);
            (Vec::new(), Vec::new(), example)
        });
        if !entry.0.contains(&failure.code) {
            entry.0.push(failure.code);
            entry.1.push(format!("`{}`: {}", failure.code, failure.message));
        }
    }
    let told = |(status, (codes, words, example)): (u16, (Vec<_>, Vec<String>, Value))| {
        let name = format!("{status}_{}", codes.first().unwrap_or(&""));
        let code = json!({ "properties": { "code": { "enum": codes } } });
        let schema = json!({ "allOf": [by_name("Refusal"), { "properties": { "error": code } }] });
        let content = json!({ "application/json": { "schema": schema, "example": example } });
        let mut told = json!({ "description": words.join("; "), "content": content });
        if status == 503 {
            let retry_after = json!({
                "description": "Seconds after which it may be tried again.",
                "schema": { "type": "string", "pattern": "^[0-9]+$" },
            });
            put_in(&mut told, "headers", json!({ "Retry-After": retry_after }));
        }
        (status.to_string(), name, told)
    };
    grouped.into_iter().map(told).collect()
}
