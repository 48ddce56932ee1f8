//! `waiting [RUNS]`: what a worker costs while so many runs wait, on a private PostgreSQL.
#![allow(clippy::print_stdout, reason = "a program for people")]

use makegood::Database;
use sqlx::Connection;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let runs: i64 = std::env::args().nth(1).map_or(Ok(200_000), |text| text.parse())?;
    let options = devpg::Options::durable();
    let cluster = tokio::task::spawn_blocking(move || devpg::Cluster::start(&options)).await??;
    let url = cluster.url("postgres");
    let cell = migrations::Cell::new("bench")?;
    migrations::run(&mut sqlx::PgConnection::connect(&url).await?, &cell).await?;
    let database = Database::new(&url, cell.name())?;
    // The first thousands fill the worker's pools and buffers.
    let steps = [5_000.min(runs), (runs / 4).max(5_000.min(runs)), runs];
    for cost in makegood_bench::waiting::measure(&database, &steps).await? {
        let makegood_bench::waiting::Cost { waiting, memory_mib, idle_in_10_s } = cost;
        println!(
            "{waiting} wait: {memory_mib} MiB, {idle_in_10_s} transactions in 10 idle seconds"
        );
    }
    cluster.stop()?;
    Ok(())
}
