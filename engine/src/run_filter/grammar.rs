//! The filter as a URL's query: how it is read and written. Every word that it does not know is
//! told, with what it may be.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use uuid::Uuid;

use super::{LONGEST_PAGE, Order, PAGE, RunFilter, Shown, Term, What, When};

/// A part of a filter that means nothing.
///
/// ```
/// let error = "quiet_for=soon".parse::<makegood::RunFilter>().unwrap_err();
/// assert_eq!(error.to_string(), "quiet_for=soon: a length of time is written 90s, 15m, 1h or 2d");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}={value}: {why}")]
pub struct FilterError {
    /// The word before the equals sign.
    pub key: String,
    /// What is behind it.
    pub value: String,
    /// What it may be.
    pub why: String,
}

impl FromStr for RunFilter {
    type Err = FilterError;

    /// Reads a query; what has no value says nothing, so that a form may be sent as it is.
    fn from_str(query: &str) -> Result<Self, FilterError> {
        let query = query.strip_prefix('?').unwrap_or(query);
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            if !value.trim().is_empty() {
                take(&mut filter, &key, value.trim()).map_err(|why| FilterError {
                    key: key.clone().into_owned(),
                    value: value.clone().into_owned(),
                    why,
                })?;
            }
        }
        Ok(filter)
    }
}

fn take(filter: &mut RunFilter, key: &str, value: &str) -> Result<(), String> {
    match key {
        "sort" => {
            filter.order = match value {
                "-started" => Order::NewestFirst,
                "started" => Order::OldestFirst,
                _ => return Err("the order is -started or started".to_owned()),
            }
        }
        "after" => {
            let run = Uuid::parse_str(value).map_err(|_| "this is no run's id".to_owned())?;
            filter.after = Some(run);
        }
        "limit" => {
            filter.limit = value
                .parse()
                .ok()
                .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
                .ok_or_else(|| format!("a page has 1 to {LONGEST_PAGE} runs"))?;
        }
        _ => {
            let (not, name) = match key.strip_prefix("not.") {
                Some(name) => (true, name),
                None => (false, key),
            };
            let term = Term { not, what: what(name, value)? };
            if !filter.terms.contains(&term) {
                filter.terms.push(term);
            }
        }
    }
    Ok(())
}

fn what(name: &str, value: &str) -> Result<What, String> {
    let text = value.to_owned();
    if text.contains('\0') {
        return Err("no text has a NUL".to_owned());
    }
    Ok(match name {
        "state" => What::State(shown(value)?),
        "workflow" => What::Workflow(text),
        "tenant" => What::Attribute("tenant".to_owned(), text),
        "id" => What::Id(text),
        "class" => What::Class(text),
        "fingerprint" => What::Fingerprint(text),
        "error" => What::Error(text),
        "quiet_for" => What::QuietFor(length(value)?),
        "since" => What::Since(when(value)?),
        "until" => What::Until(when(value)?),
        "ended_since" => What::EndedSince(when(value)?),
        "ended_until" => What::EndedUntil(when(value)?),
        _ => match name.strip_prefix("attr.").filter(|name| !name.is_empty()) {
            Some(attribute) => What::Attribute(attribute.to_owned(), text),
            None => {
                return Err(
                    "a list is narrowed by state, workflow, tenant, attr.NAME, id, class, \
                     fingerprint, error, quiet_for, since, until, ended_since, ended_until"
                        .to_owned(),
                );
            }
        },
    })
}

fn shown(value: &str) -> Result<Shown, String> {
    let word = value.to_uppercase().replace('-', "_");
    let known = Shown::ALL.into_iter().find(|shown| shown.as_str() == word);
    known.ok_or_else(|| format!("a state is {}", Shown::ALL.map(Shown::as_str).join(", ")))
}

/// Reads `90s`, `15m`, `1h` or `2d`.
fn length(value: &str) -> Result<Duration, String> {
    let wrong = || "a length of time is written 90s, 15m, 1h or 2d".to_owned();
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match value.strip_prefix(digits).unwrap_or_default() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let count: u32 = digits.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * unit))
}

/// Writes what [`length`] reads, in the largest unit that is exact.
pub(super) fn length_words(length: Duration) -> String {
    let seconds = length.as_secs();
    for (unit, word) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if seconds >= unit && seconds.is_multiple_of(unit) {
            return format!("{}{word}", seconds / unit);
        }
    }
    format!("{seconds}s")
}

/// A length of time ago, a date, or a time: in UTC where it says no zone.
fn when(value: &str) -> Result<When, String> {
    let when = time(value)?;
    match when {
        When::At(at) if !(1970..=9999).contains(&at.year()) => {
            Err("a year is one from 1970 to 9999".to_owned())
        }
        when => Ok(when),
    }
}

fn time(value: &str) -> Result<When, String> {
    if let Ok(length) = length(value) {
        return Ok(When::Ago(length));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(value) {
        return Ok(When::At(at.with_timezone(&Utc)));
    }
    let timed = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(value, format).ok());
    let dated = || value.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0));
    let found = timed.or_else(dated);
    let wrong = || "a time is written 2h (ago), 2026-05-01 or 2026-05-01T10:00:00Z".to_owned();
    found.map(|at| When::At(at.and_utc())).ok_or_else(wrong)
}

impl Display for RunFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for Term { not, what } in &self.terms {
            let key = what.key();
            query.append_pair(&if *not { format!("not.{key}") } else { key }, &what.value());
        }
        if self.order == Order::OldestFirst {
            query.append_pair("sort", "started");
        }
        if let Some(run) = self.after {
            query.append_pair("after", &run.to_string());
        }
        if self.limit != PAGE {
            query.append_pair("limit", &self.limit.to_string());
        }
        f.write_str(&query.finish())
    }
}

impl TryFrom<String> for RunFilter {
    type Error = FilterError;

    fn try_from(query: String) -> Result<Self, FilterError> {
        query.parse()
    }
}

impl From<RunFilter> for String {
    fn from(filter: RunFilter) -> Self {
        filter.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for query in [
            "state=STUCK&not.state=PAUSED&workflow=checkout&tenant=a+b&attr.customer=%3D%26",
            "id=checkout%3A&class=poison&not.fingerprint=f&error=timed+out&quiet_for=90s",
            "since=2h&until=2026-05-01T10%3A00%3A00Z&ended_since=1d&not.ended_until=15m",
            "sort=started&after=00000000-0000-0000-0000-000000000001&limit=20",
            "",
        ] {
            let filter: RunFilter = query.parse().expect("it means something");
            assert_eq!(filter.to_string(), query);
        }
    }

    #[test]
    fn a_form_is_sent_as_it_is_and_words_may_be_small() {
        let filter: RunFilter = "?state=needs-attention&workflow=&error=+".parse().expect("a form");
        assert_eq!(filter.terms, [Term::is(What::State(Shown::NeedsAttention))]);
        let day: RunFilter = "since=2026-05-01&until=2026-05-01T10:30".parse().expect("times");
        assert_eq!(
            day.to_string(),
            "since=2026-05-01T00%3A00%3A00Z&until=2026-05-01T10%3A30%3A00Z"
        );
    }

    #[test]
    fn what_means_nothing_is_told_with_what_it_may_be() {
        for (query, told) in [
            ("stat=STUCK", "narrowed by state"),
            ("state=STOCK", "NEEDS_ATTENTION"),
            ("quiet_for=1", "90s"),
            ("quiet_for=99999999999d", "90s"),
            ("since=yesterday", "2026-05-01"),
            ("sort=name", "-started"),
            ("limit=501", "1 to 500"),
            ("after=x", "run's id"),
            ("attr.=x", "attr.NAME"),
            ("error=%00", "NUL"),
        ] {
            let error = query.parse::<RunFilter>().expect_err(query);
            assert!(error.why.contains(told), "{query}: {error}");
        }
    }
}
