//! What a demo is told on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::ArgPredicate, value_parser};
use secrecy::SecretString;

use super::{crowd::Guests, scenario::Crowd};

/// Drive a crowd of checkouts through crashes and faults, then audit what became of each.
///
/// Starts everything it needs on this machine and ends it all again. Exits 0 only if every promise
/// held. The seed decides what each customer does; races between them stay races.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Everything that can go wrong with money, all at once: every fault of the gateway, webhooks
    /// lost for a while, the gateway down for a while, changing policies, refunds of every kind.
    /// At least 60 checkouts; 1000 unless --checkouts says otherwise.
    #[arg(long)]
    pub(crate) chaos: bool,

    /// How many checkouts to drive, 10 to 100000.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(10..=100_000))]
    #[arg(default_value_if("chaos", ArgPredicate::IsPresent, "1000"))]
    pub(crate) checkouts: u32,

    /// Decides what each customer does and which faults the gateway has.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Worker processes, 1 to 16.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u32).range(1..=16))]
    pub(crate) workers: u32,

    /// Customers in the shop at once, 1 to 512.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u32).range(1..=512))]
    pub(crate) concurrency: u32,

    /// Write the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Use this PostgreSQL, in a cell of its own that is dropped at the end, instead of a private
    /// one.
    #[arg(long, env = "MAKEGOOD_DATABASE_URL", hide_env_values = true)]
    #[arg(value_name = "URL", value_parser = secret)]
    pub(crate) database_url: Option<SecretString>,

    /// Leave everything up after the report, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl DemoArgs {
    /// Who comes to the shop.
    pub(crate) fn guests(&self) -> Guests {
        let crowd = if self.chaos { Crowd::Chaos } else { Crowd::Ordinary };
        let Self { checkouts: count, seed, concurrency, .. } = *self;
        Guests { crowd, count, seed, concurrency, pace: Duration::ZERO }
    }
}

/// A database URL, checked.
pub(crate) fn secret(text: &str) -> Result<SecretString, migrations::database_url::UrlError> {
    migrations::database_url::check(text)?;
    Ok(SecretString::from(text))
}
