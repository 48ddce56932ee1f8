//! What a check found: the points that it reached, or the promise that does not hold.

use std::fmt;

/// One of the standard checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    /// What the saga does.
    pub(crate) name: &'static str,
    /// What it is held to.
    pub(crate) promise: &'static str,
}

/// What a check that holds has tried.
///
/// ```
/// let nothing = makegood::testkit::Report::default();
/// assert!(nothing.points().is_empty() && nothing.missed().is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub(crate) title: String,
    pub(crate) points: Vec<String>,
    pub(crate) missed: Vec<String>,
}

impl Report {
    /// The points that were reached, each in a run of its own, in the order of an undisturbed run.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).dies_at_each_point().await?;
    /// assert!(report.points().iter().any(|point| point.contains("charge")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn points(&self) -> &[String] {
        &self.points
    }

    /// Points that an undisturbed run had reached and a disturbed one did not come to: the outside
    /// was faster or slower.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// let report = Kit::of(scenario).dies_at_each_point().await?;
    /// assert!(report.missed().is_empty(), "the outside is the same each time");
    /// # Ok(())
    /// # }
    /// ```
    pub fn missed(&self) -> &[String] {
        &self.missed
    }

    /// Shows it where a test's output goes.
    #[expect(clippy::print_stdout, reason = "how much was tried belongs to the test's result")]
    pub(crate) fn show(&self) {
        println!("{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for point in &self.points {
            writeln!(f, "  {point}")?;
        }
        for point in &self.missed {
            writeln!(f, "  not met again: {point}")?;
        }
        let points = if self.points.len() == 1 { "point" } else { "points" };
        write!(f, "{}: {} {points}", self.title, self.points.len())?;
        match self.missed.len() {
            0 => Ok(()),
            missed => write!(f, ", {missed} not met again"),
        }
    }
}

/// A point at which a promise does not hold.
///
/// ```
/// use makegood::testkit::Fault;
///
/// let fault = Fault { point: "charge#1".to_owned(), why: "it ended twice".to_owned() };
/// assert_eq!(fault.point, "charge#1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was done to the run, and where.
    pub point: String,
    /// What came of it.
    pub why: String,
}

/// A check that does not hold. Its text restates the promise and names the points.
///
/// `Debug` shows the same text, so that a test may end with `?` or `unwrap`:
///
/// ```no_run
/// use makegood::testkit::{Kit, Result, Scenario};
///
/// async fn holds(scenario: impl Scenario) -> Result<()> {
///     Kit::of(scenario).dies_at_each_point().await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Broken {
    pub(crate) title: String,
    pub(crate) promise: &'static str,
    pub(crate) faults: Vec<Fault>,
}

impl Broken {
    /// Where it does not hold, and why.
    ///
    /// ```no_run
    /// # use makegood::testkit::{Kit, Result, Scenario};
    /// # async fn test(scenario: impl Scenario) -> Result<()> {
    /// if let Err(broken) = Kit::of(scenario).runs().await {
    ///     for fault in broken.faults() {
    ///         println!("{}: {}", fault.point, fault.why);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, but it does not hold:", self.title, self.promise)?;
        for Fault { point, why } in &self.faults {
            write!(f, "\n  at {point}:\n    {}", why.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}

/// The lines that are missing and those that are too many; `None` when both have the same lines.
pub(crate) fn difference(wanted: &[String], found: &[String]) -> Option<String> {
    let mut extra = found.to_vec();
    let mut lines = Vec::new();
    for line in wanted {
        match extra.iter().position(|other| other == line) {
            Some(at) => drop(extra.remove(at)),
            None => lines.push(format!("- {line}")),
        }
    }
    lines.extend(extra.iter().map(|line| format!("+ {line}")));
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_compared_as_often_as_they_stand_there() {
        assert_eq!(difference(&lines("a b b"), &lines("b a b")), None);
        assert_eq!(difference(&lines("a b"), &lines("b b")).as_deref(), Some("- a\n+ b"));
        assert_eq!(difference(&lines(""), &lines("a")).as_deref(), Some("+ a"));
    }

    #[test]
    fn a_broken_promise_names_itself_and_its_points() {
        let fault = Fault { point: "book#1".to_owned(), why: "gone\nfor good".to_owned() };
        let title = "trip: runs".to_owned();
        let broken = Broken { title, promise: "a run ends", faults: vec![fault] };
        let text =
            "trip: runs: a run ends, but it does not hold:\n  at book#1:\n    gone\n    for good";
        assert_eq!(broken.to_string(), text);
        assert_eq!(format!("{broken:?}"), text);
    }
}
