//! Rounds: every engine has its turn in each, in an order that alternates.
//! A turn is a new database and a new process, and for each work three stretches: one counted, one
//! timed, one at 20 starts a second.

use std::time::Duration;

use anyhow::Context;
use protocol::{Load, Order, Work};

use crate::figures::{Figures, per};
use crate::peers::Peer;
use crate::program::Program;
use crate::progress;
use crate::server::{Reading, Server};
use crate::usage;

/// Starts a second where the time to the end is measured: everybody is idle most of the time.
const LIGHT: u32 = 20;

/// What is to be measured.
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) works: Vec<Work>,
    pub(crate) stretch: Duration,
    pub(crate) in_flight: Option<usize>,
}

/// What an engine did of a work.
pub(crate) struct Measured {
    pub(crate) peer: &'static str,
    pub(crate) form: &'static str,
    pub(crate) work: Work,
    pub(crate) in_flight: usize,
    pub(crate) rounds: Vec<Figures>,
}

/// Measures these peers.
pub(crate) async fn measure(
    server: &mut Server,
    peers: &[Peer],
    plan: &Plan,
) -> anyhow::Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for work in &plan.works {
        for peer in peers {
            if let Some(best) = peer.in_flight(*work) {
                let in_flight = plan.in_flight.unwrap_or(best);
                let (peer, form) = (peer.name, peer.form);
                measured.push(Measured { peer, form, work: *work, in_flight, rounds: Vec::new() });
            }
        }
    }
    for round in 0..plan.rounds {
        let mut order: Vec<&Peer> = peers.iter().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for peer in order {
            progress(&format!("round {} of {}: {}", round + 1, plan.rounds, peer.name));
            let mut its = measured.iter_mut().filter(|one| one.peer == peer.name).peekable();
            if its.peek().is_none() {
                continue;
            }
            let url = server.fresh(peer.name).await?;
            let mut program = Program::start(peer, &url).await?;
            for one in its {
                let figures = turn(server, &mut program, one, plan.stretch).await?;
                progress(&format!(
                    "  {:8} {:8.0}/s, p50 {:.1} ms at {LIGHT}/s",
                    one.work, figures.per_s, figures.p50_ms_at_20_per_s
                ));
                one.rounds.push(figures);
            }
            program.end().await?;
        }
    }
    Ok(measured)
}

async fn turn(
    server: &mut Server,
    program: &mut Program,
    one: &Measured,
    stretch: Duration,
) -> anyhow::Result<Figures> {
    let full = Load::Closed(one.in_flight);
    let order = |load, time| Order { work: one.work, load, time };
    // Opens connections and prepares statements.
    program.run(order(full, stretch / 4)).await?;

    server.count_statements(true).await?;
    let before = server.read(one.peer).await?;
    let counted = program.run(order(full, stretch / 2)).await?;
    let after = server.read(one.peer).await?;
    server.count_statements(false).await?;
    let statements = |reading: Reading| reading.statements;
    let statements = statements(after)
        .zip(statements(before))
        .map(|(after, before)| per(after.saturating_sub(before), counted.ended));

    server.checkpoint().await?;
    let pid = program.pid().context("the program has ended")?;
    let own = usage::cpu_ms(pid);
    let (spent, there_was) = usage::machine_ms();
    let before = server.read(one.peer).await?;
    let timed = program.run(order(full, stretch)).await?;
    let after = server.read(one.peer).await?;
    let (now_spent, there_is) = usage::machine_ms();
    let own = usage::cpu_ms(pid).saturating_sub(own);
    let database = after.cpu_ms.saturating_sub(before.cpu_ms);
    let others = now_spent.saturating_sub(spent).saturating_sub(own).saturating_sub(database);
    let peak_kib = usage::peak_kib(pid);

    let light = program.run(order(Load::Open(LIGHT), stretch)).await?;
    Ok(Figures {
        per_s: per(timed.ended_in_time.saturating_mul(1_000_000), timed.time_us),
        p50_ms_at_20_per_s: per(light.p50_us, 1_000),
        statements,
        commits: per(after.writes.saturating_sub(before.writes), timed.ended),
        wal_bytes: per(after.wal_bytes.saturating_sub(before.wal_bytes), timed.ended),
        program_cpu_ms: per(own, timed.ended),
        database_cpu_ms: per(database, timed.ended),
        program_peak_rss_mib: per(peak_kib, 1_024),
        cpu_share_of_others: per(others, there_is.saturating_sub(there_was)),
    })
}
