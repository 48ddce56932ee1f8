//! A point in time for people: how long ago, with the exact time behind it.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A time as a page shows it. Put into a template as `{{ moment }}`.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = r#"<time class="nowrap" datetime="{{ iso }}" title="{{ absolute }}">{{ relative }}</time>"#
)]
pub(crate) struct Moment {
    iso: String,
    absolute: String,
    relative: String,
}

impl HtmlSafe for Moment {}

impl Moment {
    pub(crate) fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let away = now - at;
        let relative = match away.num_seconds() {
            0 => "now".to_owned(),
            1.. => format!("{} ago", span(away)),
            ..0 => format!("in {}", span(-away)),
        };
        Self {
            iso: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            absolute: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative,
        }
    }
}

/// A time in an address, of a year that every table can hold.
pub(super) fn storable<'de, D: Deserializer<'de>>(
    given: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let at = Option::<DateTime<Utc>>::deserialize(given)?;
    match at {
        Some(at) if !(0..=9999).contains(&at.year()) => {
            Err(D::Error::custom("a time is in the years 0 to 9999"))
        }
        at => Ok(at),
    }
}

/// A length of time in its largest unit: `45 s`, `12 min`, `3 h`, `9 d`.
pub(crate) fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    match seconds {
        ..1 => format!("{} ms", length.num_milliseconds().max(0)),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} d", seconds / 86_400),
    }
}

/// A number with its thousands set apart.
pub(crate) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0 { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_largest_unit_with_the_exact_one_behind_it() {
        let at: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().expect("a time");
        let shown = |seconds| Moment::new(at, at + TimeDelta::seconds(seconds)).to_string();
        assert!(shown(0).contains(">now<"));
        assert!(shown(59).contains(">59 s ago<"));
        assert!(shown(3_599).contains(">59 min ago<"));
        assert!(shown(100_000).contains(">27 h ago<"));
        assert!(shown(-90).contains(">in 1 min<"));
        assert!(shown(5).contains(r#"title="2026-03-01 10:00:00 UTC""#));
    }

    #[test]
    fn thousands_are_set_apart() {
        let numbers = [0, 999, 1_000, 1_234_567, -1_000].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567", "-1,000"]);
    }
}
