//! What may be asked for on the command line.

use std::time::Duration;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use protocol::Work;

use crate::peers::{PEERS, Peer};
use crate::rounds::Plan;

/// Runs the same work on other durable engines and on Makegood, on a private PostgreSQL, and
/// prints what each reached.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Rounds, 1 to 100: in each, every engine has its turn, in an order that alternates.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// Seconds of each timed stretch, 1 to 600; a round has two for each engine and work.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,

    /// Only this work; may be repeated.
    #[arg(long)]
    pub(crate) work: Vec<Work>,

    /// Only this engine; may be repeated.
    #[arg(long, value_parser = PossibleValuesParser::new(PEERS.map(|peer| peer.name)))]
    pub(crate) peer: Vec<String>,

    /// So many workflows in flight instead of each engine's own number, 1 to 100,000.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: Option<u32>,

    /// Prints one JSON object instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// Those that take part.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let wanted =
            |peer: &Peer| self.peer.is_empty() || self.peer.iter().any(|name| name == peer.name);
        PEERS.into_iter().filter(wanted).collect()
    }

    pub(crate) fn plan(&self) -> Plan {
        let wanted = |work: &Work| self.work.is_empty() || self.work.contains(work);
        Plan {
            rounds: self.rounds,
            works: Work::ALL.into_iter().filter(wanted).collect(),
            stretch: Duration::from_secs(self.seconds),
            in_flight: self.in_flight.and_then(|number| usize::try_from(number).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Arguments::command().debug_assert();
    }
}
