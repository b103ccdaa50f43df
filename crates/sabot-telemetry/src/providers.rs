//! Putting the parts together and taking them down again.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::ambient::install_tracer_provider;
use crate::config::{ConfigError, Signal, TelemetryConfig};
use crate::export::{Exporter, ExporterError};
use crate::logs::{self, LogQueue};
use crate::meter::RegistryMeterProvider;
use crate::metrics::Registry;
use crate::otel::OtelTracerProvider;
use crate::outcome::OutcomeSampler;
use crate::propagation::install_propagator;
use crate::queue::SpanQueue;
use crate::record::Resource;
use crate::red::RedMetrics;
use crate::redaction::Redactor;
use crate::resource::resource;
use crate::sampling::{HeadSampler, SamplingError};
use crate::spans::{SpanJudges, Spans};
use crate::sync::lock;

/// How long a shutdown may take unless said otherwise.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How often the queues are looked at, when they do not say so themselves.
const TICK: Duration = Duration::from_millis(100);
/// Records taken from a queue at a time.
const DRAIN: usize = 1_024;

/// Telemetry that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A setting cannot work.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// An exporter cannot start.
    #[error("{0}")]
    Exporter(#[from] ExporterError),
    /// The system gave no thread.
    #[error("no thread for telemetry: {0}")]
    Thread(#[source] io::Error),
}

/// The telemetry of one service: spans, logs, metrics, and what sends them.
#[derive(Debug)]
pub struct TelemetryProviders {
    resource: Arc<Resource>,
    spans: Spans,
    span_queue: SpanQueue,
    logs: LogQueue,
    registry: Registry,
    export: Option<Exporting>,
}

#[derive(Debug)]
struct Exporting {
    exporter: Exporter,
    drain: Mutex<Option<JoinHandle<()>>>,
}

/// Builds the telemetry of one service, and has OpenTelemetry's API end in it unless the configuration says otherwise:
/// the last call counts. Spans and logs are sent to the targets of the configuration, if there are any;
/// else they stay in their queues for whoever drains them.
///
/// ```standalone_crate
/// use opentelemetry::trace::Tracer;
/// use sabot_telemetry::{TelemetryConfig, init_telemetry, otel_global};
///
/// # fn main() -> Result<(), sabot_telemetry::TelemetryError> {
/// let telemetry = init_telemetry(TelemetryConfig::new("shop"))?;
/// otel_global::tracer("cart").in_span("add", |_| otel_global::meter("cart").u64_counter("items").build().add(2, &[]));
/// let spans = telemetry.span_queue().drain(10);
/// assert_eq!(spans[0].name, "add");
/// assert!(spans[0].scope.as_ref().is_some_and(|scope| scope.name == "cart"));
/// assert!(telemetry.registry().prometheus_text().contains("items_total{otel_scope_name=\"cart\"} 2"));
/// # Ok(())
/// # }
/// ```
pub fn init_telemetry(config: TelemetryConfig) -> Result<TelemetryProviders, TelemetryError> {
    let config = if config.use_environment { config.with_environment_variables()? } else { config };
    config.check()?;
    config.warn();
    let settings = config.export_settings()?;
    let redactor = Arc::new(Redactor::new(&config.redaction).map_err(ConfigError::from)?);
    let mut resource = resource(&config);
    redactor.attributes(&mut resource.attributes);
    let resource = Arc::new(resource);
    let logs = LogQueue::new(settings.batch.max_queue_size, Some(Arc::clone(&redactor)));
    let registry = Registry::with_redactor(Arc::clone(&redactor));
    let queue_redactor = Some(Arc::clone(&redactor));
    let span_queue = SpanQueue::with_redactor(config.span_queue_capacity, config.max_spans_per_second, queue_redactor);
    let spans = if config.enabled && config.traces.enabled {
        let judges = judges(&config, &registry, &redactor).map_err(ConfigError::from)?;
        Spans::recording_with(Arc::clone(&resource), span_queue.clone(), judges)
    } else {
        Spans::disabled()
    };
    let mut providers = TelemetryProviders { resource, spans, span_queue, logs, registry, export: None };
    if config.drain_queues && !settings.exporters.targets.is_empty() {
        let exporter = Exporter::start(&settings, Arc::clone(&providers.resource), providers.registry.clone())?;
        let spans = providers.span_queue.clone();
        providers.logs.wake_with(move || spans.wake());
        let drain = Drain { spans: providers.span_queue.clone(), logs: providers.logs.clone(), to: exporter.clone() };
        let thread = Builder::new().name("telemetry-drain".to_owned()).spawn(move || drain.run());
        let drain = Mutex::new(Some(thread.map_err(TelemetryError::Thread)?));
        providers.export = Some(Exporting { exporter, drain });
    }
    if config.install {
        let tracers = OtelTracerProvider::new(&providers.spans).with_baggage_attributes(config.baggage_attributes);
        install_tracer_provider(tracers);
        RegistryMeterProvider::new(&providers.registry).install();
        install_propagator(config.propagator);
    }
    Ok(providers)
}

/// Who decides about spans, and who measures them before.
fn judges(
    config: &TelemetryConfig,
    registry: &Registry,
    redactor: &Arc<Redactor>,
) -> Result<SpanJudges, SamplingError> {
    let mut judges = SpanJudges::new(HeadSampler::new(&config.sampling)?);
    if let Some(rules) = &config.outcome {
        judges = judges.with_outcome(OutcomeSampler::new(rules)?);
    }
    if let Some(prefix) = &config.red_metrics {
        judges = judges.with_red_metrics(RedMetrics::new(registry, prefix, Some(Arc::clone(redactor))));
    }
    Ok(judges)
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

    /// Where log records wait for their consumer; its [layer](LogQueue::layer) fills it.
    pub const fn log_queue(&self) -> &LogQueue {
        &self.logs
    }

    /// The metrics.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What is said about the process with everything.
    pub const fn resource(&self) -> &Arc<Resource> {
        &self.resource
    }

    /// What sends spans, logs and metrics, if anything does.
    pub fn exporter(&self) -> Option<&Exporter> {
        self.export.as_ref().map(|export| &export.exporter)
    }

    /// Ends tracing: the queue's consumer is woken for the last time, and spans that end later are lost. Nothing is
    /// waited for; a second call does nothing.
    pub fn close(&self) {
        self.spans.decide_pending();
        self.span_queue.close();
    }

    /// Ends tracing, and has spans, logs and metrics sent: within five seconds. True when nothing was lost for want of
    /// time. Needs no particular runtime.
    pub async fn shutdown(&self) -> bool {
        self.shutdown_within(SHUTDOWN).await
    }

    /// The same within another time.
    pub async fn shutdown_within(&self, time: Duration) -> bool {
        self.close();
        match &self.export {
            None => true,
            Some(export) => {
                export.drained();
                export.exporter.shutdown(time).await
            }
        }
    }

    /// The same for code that is not asynchronous.
    pub fn shutdown_blocking(&self, time: Duration) -> bool {
        self.close();
        self.export.as_ref().is_none_or(|export| {
            export.drained();
            export.exporter.shutdown_blocking(time)
        })
    }
}

impl Exporting {
    /// Waits until the queues are empty. It takes what the queues hold to encode; no target is waited for.
    fn drained(&self) {
        if let Some(thread) = lock(&self.drain).take()
            && thread.join().is_err()
        {
            tracing::error!("thread telemetry-drain ended by a panic");
        }
    }
}

/// Takes ended spans and log records to the exporter.
struct Drain {
    spans: SpanQueue,
    logs: LogQueue,
    to: Exporter,
}

impl Drain {
    fn run(self) {
        logs::suppress_on_this_thread();
        while self.spans.wait(TICK) {
            self.drain();
        }
        self.drain();
    }

    fn drain(&self) {
        loop {
            let spans = self.spans.drain(DRAIN);
            let logs = if self.to.takes(Signal::Logs) { self.logs.drain(DRAIN) } else { Vec::new() };
            let rest = spans.len().max(logs.len()) == DRAIN;
            self.to.export_spans(spans);
            self.to.export_logs(logs);
            if !rest {
                break;
            }
        }
    }
}
