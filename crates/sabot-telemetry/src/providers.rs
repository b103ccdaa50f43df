//! Putting the parts together and taking them down again.
//!
//! Nothing is installed globally: whoever holds the [`TelemetryProviders`] hands out its handles.

use std::sync::Arc;

use crate::config::TelemetryConfig;
use crate::metrics::Registry;
use crate::queue::SpanQueue;
use crate::record::{Attribute, Resource};
use crate::spans::Spans;

/// The telemetry of one service: spans, the queue they end in, and metrics.
#[derive(Debug)]
pub struct TelemetryProviders {
    spans: Spans,
    span_queue: SpanQueue,
    registry: Registry,
}

/// Builds the telemetry of one service.
pub fn init_telemetry(config: TelemetryConfig) -> TelemetryProviders {
    let TelemetryConfig {
        service_name,
        service_version,
        enabled,
        sample_rate,
        max_spans_per_second,
        span_queue_capacity,
    } = config;
    let span_queue = SpanQueue::new(span_queue_capacity, max_spans_per_second);
    let spans = if enabled {
        Spans::recording(Arc::new(resource(service_name, service_version)), span_queue.clone(), sample_rate)
    } else {
        Spans::disabled()
    };
    TelemetryProviders { spans, span_queue, registry: Registry::new() }
}

fn resource(service_name: String, service_version: Option<String>) -> Resource {
    let mut attributes: Vec<Attribute> = Vec::new();
    attributes.extend(service_version.map(|version| ("service.version".into(), version.into())));
    attributes.push(("telemetry.sdk.name".into(), env!("CARGO_PKG_NAME").into()));
    attributes.push(("telemetry.sdk.language".into(), "rust".into()));
    attributes.push(("telemetry.sdk.version".into(), env!("CARGO_PKG_VERSION").into()));
    Resource { service_name: service_name.into(), attributes }
}

impl TelemetryProviders {
    /// Starts spans; clone it to wherever they are needed.
    pub const fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Where ended spans wait for their consumer.
    pub const fn span_queue(&self) -> &SpanQueue {
        &self.span_queue
    }

    /// The metrics.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Ends tracing: the queue's consumer is woken for the last time, and spans that end later are lost. A second call
    /// does nothing.
    pub fn shutdown(&self) {
        self.span_queue.close();
    }
}
