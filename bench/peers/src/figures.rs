//! Figures: what a stretch came to for each workflow, and the median of several rounds.

use serde::Serialize;

/// What one engine did of one work, in one round or in the median of all. Costs are per workflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Workflows that ended in a second, in a closed loop.
    pub(crate) per_s: f64,
    /// From start to end at 20 starts a second.
    pub(crate) p50_ms_at_20_per_s: f64,
    /// Begins and ends of transactions included.
    pub(crate) statements: Option<f64>,
    /// Commits that wrote something.
    pub(crate) commits: f64,
    pub(crate) wal_bytes: f64,
    pub(crate) program_cpu_ms: f64,
    pub(crate) database_cpu_ms: f64,
    /// All its processes, each at its peak.
    pub(crate) program_peak_rss_mib: f64,
    /// How much of the machine went to neither the program nor the database, from 0 to 1.
    pub(crate) cpu_share_of_others: f64,
}

impl Figures {
    /// The median of each figure.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            per_s: of(|f| f.per_s),
            p50_ms_at_20_per_s: of(|f| f.p50_ms_at_20_per_s),
            statements: rounds
                .iter()
                .map(|f| f.statements)
                .collect::<Option<Vec<f64>>>()
                .map(median),
            commits: of(|f| f.commits),
            wal_bytes: of(|f| f.wal_bytes),
            program_cpu_ms: of(|f| f.program_cpu_ms),
            database_cpu_ms: of(|f| f.database_cpu_ms),
            program_peak_rss_mib: of(|f| f.program_peak_rss_mib),
            cpu_share_of_others: of(|f| f.cpu_share_of_others),
        }
    }
}

/// The middle one; of an even number, the lower of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

/// How many of `unit` there are in `amount`; 0 when there is no unit.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "for people: 53 bits are plenty"
)]
pub(crate) fn per(amount: u64, unit: u64) -> f64 {
    if unit == 0 { 0.0 } else { amount as f64 / unit as f64 }
}

/// How many times `one` is `other`.
#[expect(clippy::float_arithmetic, reason = "for people")]
pub(crate) fn times(one: f64, other: f64) -> f64 {
    one / other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_each_figure_by_itself() {
        let round = |per_s, p50, statements| Figures {
            per_s,
            p50_ms_at_20_per_s: p50,
            statements,
            ..Figures::default()
        };
        let rounds =
            [round(1.0, 9.0, Some(4.0)), round(3.0, 7.0, Some(5.0)), round(2.0, 8.0, None)];
        let median = Figures::median(&rounds);
        assert_eq!(per_of(&median), (2.0, 8.0, None), "a figure that a round lacks has no median");
        assert_eq!(per_of(&Figures::median(&rounds[..2])), (1.0, 7.0, Some(4.0)));
    }

    fn per_of(figures: &Figures) -> (f64, f64, Option<f64>) {
        (figures.per_s, figures.p50_ms_at_20_per_s, figures.statements)
    }
}
