//! Rules for INSERT: where it may stand, and what feeds it.
//! Never for a plain INSERT .. VALUES, which may call what it likes.

use super::Fault;
use super::schema;
use super::tokens::Tokens;
use super::update::{STABLE, VOLATILE};

pub(super) fn check(tokens: &Tokens, faults: &mut Vec<Fault>) {
    for (at, token) in tokens.iter() {
        if token.text == "insert" && tokens.text(at + 1) == "into" {
            if token.depth > 0 {
                faults.push(Fault::InsertInWith);
            } else {
                check_top(tokens, at, faults);
            }
        }
    }
}

fn check_top(tokens: &Tokens, at: usize, faults: &mut Vec<Fault>) {
    let tail = tail(tokens, at);
    let conflict = if tokens.text(tail) == "on" { tail } else { tokens.len() };
    let returning = tokens.find(conflict, tokens.len(), 0, &["returning"]);
    for (_, name) in tokens.calls(conflict, returning) {
        if STABLE.contains(&name) || VOLATILE.contains(&name) {
            faults.push(Fault::FunctionInConflict(name.to_owned()));
        }
    }
    let source = tokens.find(at, tail, 0, &["values", "select"]);
    match tokens.text(source) {
        "values" if tokens.range(source, tail).any(|(_, t)| t.text == "select") => {
            faults.push(Fault::SubqueryInValues);
        }
        "select" => check_select(tokens, (at, source, tail), faults),
        _ => {}
    }
}

fn check_select(tokens: &Tokens, part: (usize, usize, usize), faults: &mut Vec<Fault>) {
    let (at, source, tail) = part;
    for (_, name) in tokens.calls(source, tail) {
        if STABLE.contains(&name) || VOLATILE.contains(&name) {
            faults.push(Fault::FunctionInInsertSelect(name.to_owned()));
        }
    }
    let is_with = |word: &str| {
        tokens.iter().any(|(i, t)| {
            t.text == word
                && tokens.text(i + 1) == "as"
                && matches!(tokens.text(i + 2), "(" | "materialized")
        })
    };
    let inside_with = (0, at);
    let reads_table = [inside_with, (source, tail)]
        .into_iter()
        .any(|(from, to)| tokens.tables(from, to).any(|(_, table)| !is_with(table)));
    if !reads_table {
        faults.push(Fault::NoTableInInsertSelect);
    }
    if tokens.text(at + 3) == "(" {
        let listed = tokens.end_of(at + 4);
        for column in schema::timed_columns(tokens.text(at + 2)) {
            if !tokens.range(at + 4, listed).any(|(_, t)| t.text == column) {
                faults.push(Fault::TimedDefault(column));
            }
        }
    }
}

/// Where ON CONFLICT or RETURNING begins, or the end.
fn tail(tokens: &Tokens, at: usize) -> usize {
    let returning = tokens.find(at, tokens.len(), 0, &["returning"]);
    tokens
        .range(at, returning)
        .find(|(i, t)| t.depth == 0 && t.text == "on" && tokens.text(i + 1) == "conflict")
        .map_or(returning, |(i, _)| i)
}
