//! `backlog [RUNS]`: runs the backlog bench three times on a private, durable PostgreSQL.
#![allow(clippy::print_stdout, reason = "a program for people")]

use makegood::Database;
use sqlx::Connection;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let runs: i64 = std::env::args().nth(1).map_or(Ok(20_000), |text| text.parse())?;
    let options = devpg::Options::durable();
    let cluster = tokio::task::spawn_blocking(move || devpg::Cluster::start(&options)).await??;
    let url = cluster.url("postgres");
    let cell = migrations::Cell::new("bench")?;
    migrations::run(&mut sqlx::PgConnection::connect(&url).await?, &cell).await?;
    let database = Database::new(&url, cell.name())?;
    for round in 1..=3 {
        let elapsed = makegood_bench::backlog::work_off(&database, runs, round).await?;
        println!("{runs} runs of four outside steps in {elapsed:.2?}");
    }
    cluster.stop()?;
    Ok(())
}
