//! The store's own counters. Telemetry about telemetry is metrics only.

use sabot_common::registry::{Metric, SPANS_RECEIVED, SPANS_REFUSED, SPANS_STORED, TRACES_SAMPLED};
use sabot_telemetry::{Counter, MetricDesc, MetricKind, Registry};

/// The protocol of spans that Sabot records itself.
const INTERNAL: &str = "internal";

/// Received = refused + stored + what is still in memory.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) received: Counter,
    pub(crate) refused: Counter,
    pub(crate) stored: Counter,
    /// Batches that were recorded.
    pub(crate) recorded: Counter,
    /// Batches that were not, because there were too many.
    pub(crate) left_out: Counter,
}

impl Counters {
    pub(crate) fn bind(registry: &Registry) -> Self {
        Self {
            received: registry.counter(&describe(&SPANS_RECEIVED), &[INTERNAL]),
            refused: registry.counter(&describe(&SPANS_REFUSED), &[INTERNAL]),
            stored: registry.counter(&describe(&SPANS_STORED), &[]),
            recorded: registry.counter(&describe(&TRACES_SAMPLED), &["keep", "all"]),
            left_out: registry.counter(&describe(&TRACES_SAMPLED), &["drop", "rate_limit"]),
        }
    }
}

fn describe(metric: &Metric) -> MetricDesc {
    MetricDesc::new(metric.name, MetricKind::Counter, metric.help)
        .with_labels(metric.labels.iter().copied())
        .with_component(metric.component)
}
