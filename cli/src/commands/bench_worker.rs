//! `makegood bench-worker`: the worker process as it is, with the programs that `bench` measures.

use std::net::SocketAddr;
use std::time::Duration;

use makegood::WorkerConfig;
use worker::{Config, WorkerProcess};

use super::serve::serve;
use super::worker::refused;
use crate::bench::BenchWorkerArgs;
use crate::exit::{Exit, Problem};
use crate::settings::DatabaseSettings;
use crate::{connect, logging, recorder};

pub(crate) async fn run(args: &BenchWorkerArgs) -> Result<Exit, Problem> {
    let (settings, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let start = async {
        let database = connect::migrated(&settings).await?;
        let engine = WorkerConfig {
            name: args.worker_name.clone(),
            lease: Duration::from_secs(args.lease_secs.into()),
            ..WorkerConfig::default()
        };
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { bind, engine, metrics: recorder::install()? };
        let registry = makegood_bench::registry(Duration::from_millis(args.slow_ms));
        let started = WorkerProcess::start_with(registry, config, &database);
        started.await.map_err(|error| refused(&error))
    };
    Box::pin(serve(start, &args.process)).await
}
