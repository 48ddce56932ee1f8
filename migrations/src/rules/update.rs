//! Rules for UPDATE and DELETE, also inside a WITH, and for MERGE.
//! Never for the SELECT before them: that is where such values are computed.

use super::Fault;
use super::tokens::{Kind, Token, Tokens};

/// Functions whose every call may answer differently.
pub(super) const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "random",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "nextval",
    "setval",
    "timeofday",
    "txid_current",
    "pg_sleep",
];

/// Functions that answer alike within one statement only.
pub(super) const STABLE: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
    "transaction_timestamp",
    "statement_timestamp",
    "to_char",
    "date_trunc",
    "age",
    "jsonb_build_object",
    "json_build_object",
    "jsonb_build_array",
    "json_build_array",
    "to_json",
    "to_jsonb",
    "concat",
    "concat_ws",
    "format",
    "current_setting",
    "array_to_string",
];

/// Words at which one expression ends and another begins.
const BETWEEN: &[&str] = &[
    ",",
    "=",
    "<",
    ">",
    "!",
    "set",
    "where",
    "and",
    "or",
    "from",
    "returning",
    "case",
    "when",
    "then",
    "else",
    "end",
    "select",
    "join",
    "on",
    "order",
    "limit",
    "as",
    "using",
];

pub(super) fn check(tokens: &Tokens, faults: &mut Vec<Fault>) {
    for (at, token) in tokens.iter() {
        match token.text.as_str() {
            "merge" if tokens.text(at + 1) == "into" => faults.push(Fault::Merge),
            "update" if is_statement(tokens, at) => check_region(tokens, at, faults),
            "delete" if tokens.text(at + 1) == "from" => check_region(tokens, at, faults),
            _ => {}
        }
    }
}

/// Whether the UPDATE here is a statement, not a locking clause or part of ON CONFLICT.
fn is_statement(tokens: &Tokens, at: usize) -> bool {
    !matches!(tokens.before(at), "for" | "key" | "do" | "before" | "after" | "or" | "on")
}

fn check_region(tokens: &Tokens, at: usize, faults: &mut Vec<Fault>) {
    let end = tokens.end_of(at);
    for (call, name) in tokens.calls(at, end) {
        if VOLATILE.contains(&name) {
            faults.push(Fault::Volatile(name.to_owned()));
        }
        let arguments = tokens.end_of(call + 2);
        let takes_column =
            || tokens.range(call + 2, arguments).any(|(i, t)| is_column(tokens, i, t));
        let has_arguments = tokens.text(call + 1) == "(" && tokens.text(call + 2) != ")";
        if STABLE.contains(&name) && has_arguments && takes_column() {
            faults.push(Fault::StableOverColumn(name.to_owned()));
        }
    }
    let (mut time, mut sum, mut column) = (false, false, false);
    for (i, token) in tokens.range(at, end) {
        if BETWEEN.contains(&token.text.as_str()) {
            (time, sum, column) = (false, false, false);
            continue;
        }
        time |= matches!(token.text.as_str(), "now" | "interval" | "current_timestamp");
        sum |= matches!(token.text.as_str(), "+" | "-");
        column |= is_column(tokens, i, token);
        if time && sum && column {
            faults.push(Fault::StableOverColumn("time arithmetic".to_owned()));
            (time, sum, column) = (false, false, false);
        }
    }
}

/// Whether the word names a column: no keyword, type, call or number.
fn is_column(tokens: &Tokens, at: usize, token: &Token) -> bool {
    let keyword = matches!(
        token.text.as_str(),
        "interval" | "null" | "true" | "false" | "is" | "not" | "distinct" | "current_timestamp"
    );
    let is_name = token.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    token.kind == Kind::Word
        && is_name
        && !keyword
        && tokens.before(at) != "::"
        && tokens.text(at + 1) != "("
}
