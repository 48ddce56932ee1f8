//! The process's metrics recorder, in the format that Prometheus reads.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::exit::Problem;

/// From a millisecond, an answer out of memory, to half a minute, longer than any time limit.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Installs it and returns the handle that renders `/metrics`.
pub(crate) fn install() -> Result<PrometheusHandle, Problem> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| Problem::new("the metrics recorder cannot be installed").because(error))
}
