//! Orders: what the driver asks a program to run, a line each.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::work::Work;

/// How workflows are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A new one as soon as one has ended, so that always so many are in flight.
    Closed(usize),
    /// So many a second, however long they take.
    Open(u32),
}

/// Run this work, so, for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What each workflow does.
    pub work: Work,
    /// How they are started.
    pub load: Load,
    /// How long they are started; those in flight then are waited for. In whole milliseconds.
    pub time: Duration,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (work, ms) = (self.work, self.time.as_millis());
        match self.load {
            Load::Closed(in_flight) => write!(f, "run {work} closed {in_flight} {ms}"),
            Load::Open(per_s) => write!(f, "run {work} open {per_s} {ms}"),
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [run, work, kind, number, ms] = words.as_slice() else {
            return Err(format!("not an order: {line:?}"));
        };
        let fault = |what: &str| format!("{what} in the order {line:?}");
        let load = match (*run, *kind) {
            ("run", "closed") => Load::Closed(number.parse().map_err(|_| fault("no number"))?),
            ("run", "open") => Load::Open(number.parse().map_err(|_| fault("no rate"))?),
            _ => return Err(fault("an unknown word")),
        };
        let time = Duration::from_millis(ms.parse().map_err(|_| fault("no time"))?);
        Ok(Self { work: work.parse()?, load, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        for work in Work::ALL {
            for load in [Load::Closed(64), Load::Open(20)] {
                let order = Order { work, load, time: Duration::from_millis(2_500) };
                assert_eq!(order.to_string().parse(), Ok(order));
            }
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_fault() {
        for line in
            ["", "run", "run steps4 closed x 1", "run steps5 closed 1 1", "do steps4 open 1 1"]
        {
            assert!(line.parse::<Order>().is_err(), "{line:?} is no order");
        }
    }
}
