//! Putting the parts together and taking them down again.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::config::{ConfigError, Signal, TelemetryConfig};
use crate::export::{Exporter, ExporterError};
use crate::logs::{self, LogQueue};
use crate::metrics::Registry;
use crate::queue::SpanQueue;
use crate::record::Resource;
use crate::resource::resource;
use crate::spans::Spans;
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

/// Builds the telemetry of one service. Spans and logs are sent to the targets of the configuration, if there are any;
/// else they stay in their queues for whoever drains them.
pub fn init_telemetry(config: TelemetryConfig) -> Result<TelemetryProviders, TelemetryError> {
    let config = if config.use_environment { config.with_environment_variables()? } else { config };
    config.check()?;
    let settings = config.export_settings()?;
    let resource = Arc::new(resource(&config));
    let span_queue = SpanQueue::new(config.span_queue_capacity, config.max_spans_per_second);
    let spans = if config.enabled && config.traces.enabled {
        Spans::recording(Arc::clone(&resource), span_queue.clone(), config.sample_rate)
    } else {
        Spans::disabled()
    };
    let (logs, registry) = (LogQueue::new(settings.batch.max_queue_size), Registry::new());
    let mut providers = TelemetryProviders { resource, spans, span_queue, logs, registry, export: None };
    if !settings.exporters.targets.is_empty() {
        let exporter = Exporter::start(&settings, Arc::clone(&providers.resource), providers.registry.clone())?;
        let drain = Drain { spans: providers.span_queue.clone(), logs: providers.logs.clone(), to: exporter.clone() };
        let thread = Builder::new().name("telemetry-drain".to_owned()).spawn(move || drain.run());
        let drain = Mutex::new(Some(thread.map_err(TelemetryError::Thread)?));
        providers.export = Some(Exporting { exporter, drain });
    }
    Ok(providers)
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
