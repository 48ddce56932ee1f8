//! The words, brackets and signs of a statement, in lower case, each with its depth of brackets.
//! Never the inside of a quoted text, except for a function's body.

use crate::statements::piece_length;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Sign,
    Text,
    Body,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) depth: usize,
}

/// The tokens of one statement.
#[derive(Debug)]
pub(super) struct Tokens(Vec<Token>);

impl Tokens {
    pub(super) fn read(sql: &str) -> Self {
        let mut tokens = Vec::new();
        let mut depth = 0_usize;
        let mut rest = sql;
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                piece_length(rest, first)
            };
            let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            rest = after;
            let kind = match first {
                c if c.is_whitespace() => continue,
                '-' if piece.starts_with("--") => continue,
                '/' if piece.starts_with("/*") => continue,
                '\'' => Kind::Text,
                '$' if piece.len() > 1 => Kind::Body,
                '"' => Kind::Word,
                c if is_word(c) => Kind::Word,
                _ => Kind::Sign,
            };
            if piece == ")" {
                depth = depth.saturating_sub(1);
            }
            let text = if kind == Kind::Body { piece.to_owned() } else { piece.to_lowercase() };
            tokens.push(Token { text, kind, depth });
            if piece == "(" {
                depth += 1;
            }
        }
        Self(tokens)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Token> {
        self.0.get(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.0.iter().enumerate()
    }

    pub(super) fn range(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &Token)> {
        self.iter().skip(from).take(to.saturating_sub(from))
    }

    /// The word at this place, if it is one.
    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.get(at).filter(|t| t.kind == Kind::Word).map(|t| t.text.as_str())
    }

    /// The word or sign at this place.
    pub(super) fn text(&self, at: usize) -> &str {
        self.get(at).map_or("", |t| t.text.as_str())
    }

    /// The word or sign before this place.
    pub(super) fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |before| self.text(before))
    }

    /// Where the bracket around this place closes, or the end.
    pub(super) fn end_of(&self, at: usize) -> usize {
        let depth = self.get(at).map_or(0, |t| t.depth);
        self.range(at, self.len()).find(|(_, t)| t.depth < depth).map_or(self.len(), |(i, _)| i)
    }

    /// The first of these words at depth `depth` between the places, or `to`.
    pub(super) fn find(&self, from: usize, to: usize, depth: usize, words: &[&str]) -> usize {
        self.range(from, to)
            .find(|(_, t)| {
                t.depth == depth && t.kind == Kind::Word && words.contains(&t.text.as_str())
            })
            .map_or(to, |(i, _)| i)
    }

    /// The functions called between the places, with where each stands.
    pub(super) fn calls(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &str)> {
        self.range(from, to).filter_map(|(i, t)| {
            let bare = t.text.starts_with("current_") || t.text.starts_with("local");
            let called = self.text(i + 1) == "(" || (bare && BARE.contains(&t.text.as_str()));
            (t.kind == Kind::Word && called).then_some((i, t.text.as_str()))
        })
    }

    /// The tables named after FROM, JOIN, INTO and UPDATE between the places, with where each stands.
    pub(super) fn tables(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &str)> {
        self.range(from, to).filter_map(move |(i, t)| {
            let names = match t.text.as_str() {
                "from" => self.before(i) != "distinct" && !self.is_inside_call(i),
                "update" => !matches!(self.before(i), "for" | "key" | "do" | "before" | "or"),
                "join" | "into" => true,
                _ => false,
            };
            let word = self.word(i + 1)?;
            let is_table = !matches!(word, "lateral" | "select" | "only" | "of" | "set")
                && self.text(i + 2) != "(";
            let is_into = t.text == "into" && self.word(i + 1).is_some();
            (names && (is_table || is_into)).then_some((i + 1, word))
        })
    }

    /// Whether the FROM here is an argument's, as in `extract(epoch from x)`.
    fn is_inside_call(&self, at: usize) -> bool {
        let call = |back: usize| at.checked_sub(back).map_or("", |i| self.text(i));
        [call(3), call(4)].iter().any(|w| matches!(*w, "extract" | "substring" | "trim"))
    }
}

const BARE: &[&str] =
    &["current_timestamp", "current_date", "current_time", "localtimestamp", "localtime"];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
