//! The store's own counters. Telemetry about telemetry is metrics only.

use sabot_common::registry::{Metric, SPANS_RECEIVED, SPANS_REFUSED, SPANS_STORED};
use sabot_telemetry::{Counter, MetricDesc, MetricKind, Registry};

/// The protocol of spans that Sabot records itself.
const INTERNAL: &str = "internal";

/// Received = refused + stored + what is still in memory.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) received: Counter,
    pub(crate) refused: Counter,
    pub(crate) stored: Counter,
}

impl Counters {
    pub(crate) fn bind(registry: &Registry) -> Self {
        Self {
            received: registry.counter(&describe(&SPANS_RECEIVED), &[INTERNAL]),
            refused: registry.counter(&describe(&SPANS_REFUSED), &[INTERNAL]),
            stored: registry.counter(&describe(&SPANS_STORED), &[]),
        }
    }
}

fn describe(metric: &Metric) -> MetricDesc {
    MetricDesc::new(metric.name, MetricKind::Counter, metric.help)
        .with_labels(metric.labels.iter().copied())
        .with_component(metric.component)
}
