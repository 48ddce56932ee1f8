//! Spans of time as they are typed: a number and a unit, such as `90s` or `2h`.

use std::time::Duration;

/// Milliseconds of each unit.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a span.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
    let whole = digits.parse::<u64>().ok().zip(ms).and_then(|(n, ms)| n.checked_mul(ms));
    match whole {
        Some(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err("write a number and a unit, such as 500ms, 90s, 10m, 2h or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("7d"), Ok(Duration::from_hours(168)));
        for bad in ["", "5", "s", "0s", "-1s", "1.5h", "5 s", "5w", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad:?} is none");
        }
    }
}
