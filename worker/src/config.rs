//! What a worker process is started with. It reads no environment; whoever starts it fills it in.

use std::net::SocketAddr;

use makegood::WorkerConfig;
use metrics_exporter_prometheus::PrometheusHandle;

/// Everything that one worker process needs to know, its database and its gateway aside.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where health and metrics are served; port 0 picks a free one.
    pub bind: SocketAddr,
    /// Name, lease, limits and drain of the engine's worker.
    pub engine: WorkerConfig,
    /// What `/metrics` shows: the recorder that the process installed.
    pub metrics: PrometheusHandle,
}
