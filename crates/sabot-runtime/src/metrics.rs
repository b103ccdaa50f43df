//! The registry's metric descriptions as the telemetry layer takes them, and the handles a job binds once.

use sabot_common::registry::{self, Metric, MetricKind, Unit};
use sabot_telemetry::{Counter, Gauge, Histogram, MetricDesc, Registry};

use crate::JobError;
use crate::operator::COMPONENT;

/// A registered metric as the telemetry layer describes it.
pub fn describe(metric: &Metric) -> MetricDesc {
    let unit = match metric.unit {
        Unit::Count => "1",
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Ratio => "ratio",
    };
    let kind = match metric.kind {
        MetricKind::Counter => sabot_telemetry::MetricKind::Counter,
        MetricKind::Gauge => sabot_telemetry::MetricKind::Gauge,
        MetricKind::Histogram => sabot_telemetry::MetricKind::Histogram,
    };
    let described = MetricDesc::new(metric.name, kind, metric.help)
        .with_unit(unit)
        .with_labels(metric.labels.iter().copied())
        .with_component(metric.component);
    match (metric.kind, metric.unit) {
        (MetricKind::Histogram, Unit::Count) => described.with_buckets(sabot_telemetry::COUNT_BUCKETS.iter().copied()),
        _ => described,
    }
}

/// The metrics of one job, bound to its labels.
#[derive(Clone, Debug)]
pub struct JobMetrics {
    registry: Registry,
    agent: String,
    pub(crate) processed: Counter,
    pub(crate) processing: Histogram,
    pub(crate) batch_rows: Histogram,
    pub(crate) late: Counter,
    pub(crate) dropped_late: Counter,
    pub(crate) dropped_dead: Counter,
    pub(crate) windows: Counter,
    pub(crate) watermark_lag: Gauge,
    pub(crate) backpressure: Counter,
    pub(crate) latency: Histogram,
    pub(crate) batches: Counter,
}

impl JobMetrics {
    /// Binds the metrics of `agent` reading `stream`.
    pub fn bind(registry: &Registry, agent: &str, stream: &str) -> Self {
        let stream_agent = [stream, agent];
        Self {
            processed: registry.counter(&describe(&registry::MESSAGES_PROCESSED), &stream_agent),
            processing: registry.histogram(&describe(&registry::MESSAGE_PROCESSING_DURATION), &stream_agent),
            batch_rows: registry.histogram(&describe(&registry::BATCH_SIZE), &[agent]),
            late: registry.counter(&describe(&registry::LATE_EVENTS), &[agent]),
            dropped_late: registry.counter(&describe(&registry::EVENTS_DROPPED), &[stream, agent, "late"]),
            dropped_dead: registry.counter(&describe(&registry::EVENTS_DROPPED), &[stream, agent, "malformed"]),
            windows: registry.counter(&describe(&registry::WINDOW_TRIGGERS), &[agent, "tumbling"]),
            watermark_lag: registry.gauge(&describe(&registry::WATERMARK_LAG), &stream_agent),
            backpressure: registry.counter(&describe(&registry::BACKPRESSURE), &[&format!("{agent}/exchange")]),
            latency: registry.histogram(&describe(&registry::END_TO_END_LATENCY), &stream_agent),
            batches: registry.counter(&describe(&registry::BATCHES_COMPLETED), &[agent, "completed"]),
            registry: registry.clone(),
            agent: agent.to_owned(),
        }
    }

    /// Counts a failure of a kind, and the batch that it kept from being committed.
    pub(crate) fn failed(&self, error: &JobError) {
        self.registry.counter(&describe(&registry::BATCHES_COMPLETED), &[&self.agent, "failed"]).add(1);
        self.registry.counter(&describe(&registry::ERRORS), &[COMPONENT, error.kind()]).add(1);
    }
}
