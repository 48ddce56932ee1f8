//! What a worker process is started with. It reads no environment; whoever starts it fills it in.

use std::net::SocketAddr;

use activities::gateway::GatewayConfig;
use makegood::WorkerConfig;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::schedules::Reconciling;

/// Everything that one worker process needs to know, its database aside.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where health and metrics are served; port 0 picks a free one.
    pub bind: SocketAddr,
    /// The payment gateway and the keys for it.
    pub gateway: GatewayConfig,
    /// Name, lease, limits and drain of the engine's worker.
    pub engine: WorkerConfig,
    /// When the books are compared with the gateway.
    pub reconciling: Reconciling,
    /// What `/metrics` shows: the recorder that the process installed.
    pub metrics: PrometheusHandle,
}
