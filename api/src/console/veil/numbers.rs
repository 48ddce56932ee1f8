//! Numbers of telephones and cards, in one piece or in groups. Knows no page.

use uuid::Uuid;

/// Digits of the shortest number that is a person's.
const SHORTEST: usize = 10;
/// Digits of the longest one in groups.
const LONGEST: usize = 19;

/// Whether a word has a long number, also as a part, as in `card_4111111111111111`. A run's id has
/// none, whatever its digits, nor has any other id in hexadecimal.
pub(super) fn has_long_number(word: &str) -> bool {
    let is_long = |part: &str| {
        let all_digits = part.chars().all(char::is_numeric);
        let is_id = !all_digits && part.chars().all(|c| c.is_ascii_hexdigit());
        let mut runs = part.split(|c: char| !c.is_numeric());
        !is_id && runs.any(|run| run.chars().count() >= SHORTEST)
    };
    word.split(|c: char| !c.is_alphanumeric()).any(is_long) && Uuid::parse_str(word).is_err()
}

/// A word of an address (`98765%2043210`, `%2B91+98765+43210`) as it reads.
pub(super) fn decoded(word: &str) -> String {
    if !word.contains(['%', '+']) {
        return word.to_owned();
    }
    let plain = word.replace('+', " ").replace("%20", " ").replace("%40", "@");
    let plain =
        plain.replace("%28", "(").replace("%29", ")").replace("%2B", "+").replace("%2b", "+");
    // A sign at the beginning was one.
    if word.starts_with('+') { plain.replacen(' ', "+", 1) } else { plain }
}

/// Whether a number may begin behind this text: what is joined to a word is part of that.
pub(super) fn may_begin(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| matches!(c, ' ' | '(' | ')' | '=' | '\u{a0}'))
}

/// The length of the number in groups with which the text begins, if it does with one.
pub(super) fn grouped(text: &str) -> Option<usize> {
    let all = groups(text)?;
    let date = all.digits.get(..3).is_some_and(|first| is_date(first));
    // As much of it as can be a number.
    let most = all.digits.len();
    (2..=most).rev().filter(|_| !date).find_map(|count| {
        let digits = all.digits.get(..count)?;
        let end = *all.ends.get(count.checked_sub(1)?)?;
        is_number(all.signed, all.dotted, digits).then_some(end)
    })
}

/// How a text begins: groups of digits, with where each ends.
struct Groups<'a> {
    signed: bool,
    /// Nothing but dots stands between them.
    dotted: bool,
    digits: Vec<&'a str>,
    ends: Vec<usize>,
}

fn groups(text: &str) -> Option<Groups<'_>> {
    let signed = text.starts_with('+');
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    rest = rest.strip_prefix('(').unwrap_or(rest);
    let mut found = Groups { signed, dotted: true, digits: Vec::new(), ends: Vec::new() };
    let mut between = ".";
    loop {
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(length);
        // What runs into a word is part of it.
        if length == 0 || after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            break;
        }
        found.dotted &= between == ".";
        found.digits.push(digits);
        found.ends.push(text.len().checked_sub(after.len())?);
        let next = after.trim_start_matches([' ', '-', '.', '(', ')', '\u{a0}', '\u{202f}']);
        (between, _) = after.split_at(after.len().checked_sub(next.len())?);
        if between.is_empty() || between.chars().count() > 3 {
            break;
        }
        rest = next;
    }
    (found.digits.len() >= 2).then_some(found)
}

fn is_number(signed: bool, dotted: bool, groups: &[&str]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let all: usize = lengths.iter().sum();
    // The address of a machine.
    if dotted && groups.len() == 4 && lengths.iter().all(|length| *length <= 3) {
        return false;
    }
    if signed {
        return (8..=LONGEST).contains(&all);
    }
    if lengths == [4, 6, 5] || (13..=LONGEST).contains(&all) && is_in_fours(&lengths) {
        return true;
    }
    let is_of_telephone = lengths.iter().all(|length| (2..=6).contains(length));
    let is_long_distance =
        matches!(lengths.as_slice(), [1, rest @ ..] if all == 11 && rest.iter().all(|l| *l >= 3));
    (SHORTEST..=13).contains(&all) && (is_of_telephone || is_long_distance)
}

fn is_in_fours(lengths: &[usize]) -> bool {
    lengths.split_last().is_some_and(|(last, first)| first.iter().all(|l| *l == 4) && *last <= 4)
}

/// `2026`, `11`, `20`.
fn is_date(groups: &[&str]) -> bool {
    let [year, month, day] = groups else { return false };
    let within =
        |text: &str, most: u8| text.len() == 2 && text.parse::<u8>().is_ok_and(|n| n <= most);
    year.len() == 4 && within(month, 12) && within(day, 31)
}
