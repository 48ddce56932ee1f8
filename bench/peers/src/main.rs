//! The same work on other engines and on Makegood, in one go on one PostgreSQL, side by side.
//! Measures; never judges, and never publishes a round in which a workflow failed.
//!
//! `cargo run --release --manifest-path bench/peers/Cargo.toml`; see the README beside it.

mod arguments;
mod figures;
mod peers;
mod program;
mod report;
mod rounds;
mod server;
mod usage;

use std::io::Write;

use clap::Parser;

use crate::arguments::Arguments;
use crate::report::Report;
use crate::server::Server;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let peers = arguments.peers();
    program::build().await?;
    let mut server = Server::start().await?;
    let measured = rounds::measure(&mut server, &peers, &arguments.plan()).await?;
    let report = Report::of(&arguments, &server, measured);
    server.stop().await?;
    let text =
        if arguments.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Tells whoever waits what is being done; standard output is for the result alone.
fn progress(line: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr(), "{line}");
}
