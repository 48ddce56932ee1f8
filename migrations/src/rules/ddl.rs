//! Rules for CREATE and ALTER, and for how tables are named anywhere.
//! Never for the files' headers: those are comments.

use super::Fault;
use super::schema;
use super::tokens::{Kind, Tokens};

const NARROW: &[&str] = &["int", "integer", "int4", "smallint", "int2"];
const SERIAL: &[&str] = &["serial", "serial4", "smallserial", "serial2"];

pub(super) fn check(tokens: &Tokens, faults: &mut Vec<Fault>) {
    for (at, token) in tokens.iter() {
        let word = token.text.as_str();
        if SERIAL.contains(&word) || (NARROW.contains(&word) && is_identity(tokens, at)) {
            faults.push(Fault::NarrowIdentity);
        }
        let may_defer = word == "deferrable" && tokens.before(at) != "not";
        if may_defer || word == "deferred" || (word == "constraints" && tokens.before(at) == "set")
        {
            faults.push(Fault::Deferred);
        }
        if token.kind == Kind::Body && returns_trigger(tokens) {
            check_body(tokens, &token.text, faults);
        }
    }
}

/// Tables are named without a schema, except the server's own.
pub(super) fn check_names(tokens: &Tokens, faults: &mut Vec<Fault>) {
    for (at, word) in tokens.tables(0, tokens.len()) {
        let own = matches!(word, "pg_catalog" | "information_schema");
        if tokens.text(at + 1) == "." && !own {
            faults.push(Fault::SchemaQualified(format!("{word}.{}", tokens.text(at + 2))));
        }
    }
}

/// Whether the column that begins with this type is generated as identity.
fn is_identity(tokens: &Tokens, at: usize) -> bool {
    let depth = tokens.get(at).map_or(0, |t| t.depth);
    tokens
        .range(at, tokens.end_of(at))
        .take_while(|(_, t)| !(t.text == "," && t.depth == depth))
        .any(|(_, t)| t.text == "identity")
}

fn returns_trigger(tokens: &Tokens) -> bool {
    tokens.iter().any(|(i, t)| t.text == "trigger" && tokens.before(i) == "returns")
}

fn check_body(tokens: &Tokens, body: &str, faults: &mut Vec<Fault>) {
    let fixes_path = tokens.iter().any(|(_, t)| t.text == "search_path");
    if fixes_path {
        return;
    }
    // The dollar signs stand around the statements; without them the body reads like SQL.
    let inside = Tokens::read(body.trim_matches('$'));
    for (_, word) in inside.tables(0, inside.len()) {
        if schema::is_table(word) {
            faults.push(Fault::BareNameInTrigger(word.to_owned()));
        }
    }
}
