//! The report: tables for people, or one JSON object.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use protocol::Work;
use serde::Serialize;

use crate::arguments::Arguments;
use crate::figures::{Figures, times};
use crate::peers::{OURS, PEERS};
use crate::rounds::Measured;
use crate::server::Server;

/// Everything that was measured, with what it was measured on.
#[derive(Serialize)]
pub(crate) struct Report {
    postgresql: String,
    cpus: usize,
    rounds: u32,
    seconds: u64,
    versions: BTreeMap<&'static str, &'static str>,
    rows: Vec<Row>,
}

/// What one engine did of one work.
#[derive(Serialize)]
struct Row {
    peer: &'static str,
    form: &'static str,
    work: Work,
    in_flight: usize,
    /// How many times as many workflows Makegood in two processes does; `None` without it.
    makegood_does_times: Option<f64>,
    median: Figures,
    rounds: Vec<Figures>,
}

impl Report {
    pub(crate) fn of(arguments: &Arguments, server: &Server, measured: Vec<Measured>) -> Self {
        let mut rows: Vec<Row> = measured.into_iter().map(Row::of).collect();
        for work in Work::ALL {
            let ours = rows.iter().find(|row| row.peer == OURS && row.work == work);
            let Some(ours) = ours.map(|row| row.median.per_s) else { continue };
            for row in rows.iter_mut().filter(|row| row.work == work) {
                row.makegood_does_times = Some(times(ours, row.median.per_s));
            }
        }
        let shown = |name: &str| rows.iter().any(|row| row.peer == name);
        let peers = PEERS.iter().filter(|peer| shown(peer.name));
        Self {
            postgresql: server.version(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            rounds: arguments.rounds,
            seconds: arguments.seconds,
            versions: peers.flat_map(|peer| peer.versions).copied().collect(),
            rows,
        }
    }
}

impl Row {
    fn of(measured: Measured) -> Self {
        Self {
            peer: measured.peer,
            form: measured.form,
            work: measured.work,
            in_flight: measured.in_flight,
            makegood_does_times: None,
            median: Figures::median(&measured.rounds),
            rounds: measured.rounds,
        }
    }

    /// The slowest and the fastest round.
    fn range(&self) -> String {
        let per_s = || self.rounds.iter().map(|round| round.per_s);
        let (least, most) = (per_s().fold(f64::MAX, f64::min), per_s().fold(0.0, f64::max));
        format!("{least:.0} to {most:.0}")
    }

    fn cells(&self) -> Vec<String> {
        let Figures { statements, commits, wal_bytes, .. } = self.median;
        let digits = |figure: f64| {
            if figure < 10.0 { format!("{figure:.2}") } else { format!("{figure:.1}") }
        };
        vec![
            self.peer.to_owned(),
            self.in_flight.to_string(),
            format!("{:.0}", self.median.per_s),
            self.range(),
            self.makegood_does_times.map_or("-".to_owned(), |times| format!("{times:.1}")),
            format!("{:.1}", self.median.p50_ms_at_20_per_s),
            statements.map_or("-".to_owned(), digits),
            digits(commits),
            format!("{wal_bytes:.0}"),
            format!("{:.3}", self.median.program_cpu_ms),
            format!("{:.3}", self.median.database_cpu_ms),
            format!("{:.0}", self.median.program_peak_rss_mib),
        ]
    }
}

const HEADER: [&str; 12] = [
    "engine",
    "in flight",
    "workflows/s",
    "of rounds",
    "Makegood: times",
    "p50 ms at 20/s",
    "statements",
    "commits",
    "WAL B",
    "program CPU ms",
    "database CPU ms",
    "peak RSS MiB",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for work in Work::ALL {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.work == work).collect();
            if rows.is_empty() {
                continue;
            }
            writeln!(f, "\n{work}, medians of {} rounds; costs are per workflow", self.rounds)?;
            let mut table = Table::new();
            table.load_style(presets::ASCII_MARKDOWN).set_header(HEADER);
            table.add_rows(rows.iter().map(|row| row.cells()));
            for column in table.column_iter_mut().skip(1) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            writeln!(f, "{table}")?;
        }
        let others = self.rows.iter().flat_map(|row| &row.rounds);
        let others = others.map(|round| round.cpu_share_of_others).fold(0.0, f64::max);
        let mut forms: BTreeMap<&str, &str> = BTreeMap::new();
        forms.extend(self.rows.iter().map(|row| (row.peer, row.form)));
        writeln!(f)?;
        for (peer, form) in forms {
            writeln!(f, "{peer}: {form}")?;
        }
        write!(
            f,
            "PostgreSQL {}, {} CPUs, stretches of {} s",
            self.postgresql, self.cpus, self.seconds
        )?;
        write!(f, "; at most {:.0} % of the CPU went to others", times(others, 0.01))
    }
}
