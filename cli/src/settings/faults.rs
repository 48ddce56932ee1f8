//! The faults of the settings, collected while they are read.
//! It never repeats a value: it may be a secret in the wrong place.

use std::fmt::{Display, Write};
use std::ops::RangeInclusive;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use crate::exit::{Exit, Problem};
use crate::secrets;
use crate::settings::Profile;

/// Every setting found missing or wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

/// What a secret must be like.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) variable: &'static str,
    /// The least length.
    pub(crate) bytes: usize,
    /// Where to get it.
    pub(crate) next: &'static str,
}

#[derive(Debug)]
struct Fault {
    variable: &'static str,
    why: String,
    next: String,
}

impl Faults {
    /// Keeps one: which variable, what is wrong with it, and what to do.
    pub(crate) fn add(
        &mut self,
        variable: &'static str,
        why: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.0.push(Fault { variable, why: why.into(), next: next.into() });
    }

    /// Any value that can be read from text.
    pub(crate) fn parse<T>(&mut self, variable: &'static str, text: &str, next: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        match text.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(variable, error.to_string(), next);
                None
            }
        }
    }

    /// A whole number in a range; `unit` is what it counts.
    pub(crate) fn number<T>(
        &mut self,
        variable: &'static str,
        text: &str,
        range: RangeInclusive<T>,
        unit: &str,
    ) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let (least, most) = (range.start(), range.end());
        let next = format!("give a whole number of {unit}, {least} to {most}");
        let Ok(number) = text.trim().parse::<T>() else {
            self.add(variable, "is not a whole number", next);
            return None;
        };
        if !range.contains(&number) {
            self.add(variable, format!("is out of range: {number}"), next);
            return None;
        }
        Some(number)
    }

    /// A text that must be there.
    pub(crate) fn required(
        &mut self,
        variable: &'static str,
        text: Option<&str>,
        next: &str,
    ) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.add(variable, "is not set", next);
        }
        text.map(str::to_owned)
    }

    /// A secret that must be there, be long enough and be no placeholder.
    pub(crate) fn secret(
        &mut self,
        wanted: &Wanted,
        secret: Option<&SecretString>,
        profile: Profile,
    ) -> Option<SecretString> {
        let Wanted { variable, bytes, next } = *wanted;
        let exposed = secret.map(|secret| secret.expose_secret().trim()).unwrap_or_default();
        if exposed.is_empty() {
            self.add(variable, "is not set", next);
            return None;
        }
        if exposed.len() < bytes {
            let why = format!("has {} bytes, and needs at least {bytes}", exposed.len());
            self.add(variable, why, next);
            return None;
        }
        if let Some(why) = secrets::weakness(exposed).filter(|_| profile != Profile::Test) {
            self.add(variable, why, next);
            return None;
        }
        Some(SecretString::from(exposed))
    }

    /// The settings, or all faults at once.
    pub(crate) fn settle<T>(self, settings: Option<T>) -> Result<T, Problem> {
        match settings {
            Some(settings) if self.0.is_empty() => Ok(settings),
            _ => Err(self.problem()),
        }
    }

    fn problem(self) -> Problem {
        let number = self.0.len();
        let settings = if number == 1 { "1 setting is" } else { &format!("{number} settings are") };
        let mut what = format!("{settings} missing or wrong; nothing was started");
        for Fault { variable, why, next } in self.0 {
            let flag = variable.trim_start_matches("MAKEGOOD_").replace('_', "-").to_lowercase();
            let _ = write!(what, "\n  {variable} (--{flag}) {why}\n    next: {next}");
        }
        Problem::new(what).exit(Exit::Usage)
    }
}
