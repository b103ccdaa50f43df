//! Putting the parts together and taking them down again.
//!
//! Nothing is installed globally: whoever holds the [`TelemetryProviders`] hands out its handles.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use crate::config::TelemetryConfig;
use crate::metrics::Registry;
use crate::queue::{QueueProcessor, SpanQueue};
use crate::spans::{Ids, Spans};

/// Telemetry could not be flushed.
#[derive(Debug, thiserror::Error)]
#[error("flushing telemetry failed: {0}")]
pub struct TelemetryError(#[from] OTelSdkError);

/// The telemetry of one service: spans, the queue they end in, and metrics.
#[derive(Debug)]
pub struct TelemetryProviders {
    tracer_provider: SdkTracerProvider,
    spans: Spans,
    span_queue: SpanQueue,
    registry: Registry,
}

/// Builds the telemetry of one service.
pub fn init_telemetry(config: TelemetryConfig) -> TelemetryProviders {
    let TelemetryConfig { service_name, service_version, enabled, sample_rate, span_queue_capacity } = config;
    let span_queue = SpanQueue::new(Arc::from(service_name.as_str()), span_queue_capacity);
    let tracer_provider = SdkTracerProvider::builder()
        // The decision is made before the SDK is asked, so that a span left out costs nearly nothing.
        .with_sampler(Sampler::AlwaysOn)
        .with_id_generator(Ids::default())
        .with_resource(resource(service_name, service_version))
        .with_span_processor(QueueProcessor::new(span_queue.clone()))
        .build();
    let spans = if enabled { Spans::recording(&tracer_provider, sample_rate) } else { Spans::disabled() };
    TelemetryProviders { tracer_provider, spans, span_queue, registry: Registry::new() }
}

fn resource(service_name: String, service_version: Option<String>) -> Resource {
    let version = service_version.map(|version| KeyValue::new("service.version", version));
    Resource::builder().with_service_name(service_name).with_attributes(version).build()
}

impl TelemetryProviders {
    /// Starts spans; clone it to wherever they are needed.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Where ended spans wait for their consumer.
    pub fn span_queue(&self) -> &SpanQueue {
        &self.span_queue
    }

    /// The metrics.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Flushes and ends tracing: the queue's consumer is woken for the last time, and spans that end later are lost. A
    /// second call does nothing.
    pub fn shutdown(&self) -> Result<(), TelemetryError> {
        match self.tracer_provider.shutdown() {
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
