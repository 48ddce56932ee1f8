//! `cargo run --release -p makegood-bench --example flash_sale [buyers] [units]`: who gets the last
//! units of one SKU, decided singly and in batches, three times each on a private, durable
//! PostgreSQL.
#![allow(clippy::print_stdout, reason = "a program for people")]

use makegood::Database;
use makegood_bench::flash_sale::{How, decide};
use sqlx::Connection;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1);
    let buyers: u32 = numbers.next().map_or(Ok(2_000), |text| text.parse())?;
    let units: i64 = numbers.next().map_or(Ok(500), |text| text.parse())?;
    let options = devpg::Options::durable();
    let cluster = tokio::task::spawn_blocking(move || devpg::Cluster::start(&options)).await??;
    let url = cluster.url("postgres");
    let cell = migrations::Cell::new("bench")?;
    migrations::run(&mut sqlx::PgConnection::connect(&url).await?, &cell).await?;
    let database = Database::new(&url, cell.name())?;
    for _ in 0..3 {
        for how in [How::Singly, How::InBatches] {
            let sale = decide(&database, how, (buyers, units)).await?;
            let elapsed = sale.elapsed;
            println!("{how:?}: {} reserved, {} not, in {elapsed:.2?}", sale.reserved, sale.failed);
        }
    }
    cluster.stop()?;
    Ok(())
}
