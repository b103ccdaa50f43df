//! Putting the parts together and taking them down again.

use std::io;
#[cfg(feature = "prometheus-server")]
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::ambient::install_tracer_provider;
use crate::config::{ConfigError, ExportSettings, TelemetryConfig};
use crate::export::{Exporter, ExporterError, Outlet};
use crate::logging::{LoggingError, init_logging_of_service};
use crate::logs::{self, LogQueue};
use crate::meter::RegistryMeterProvider;
use crate::metrics::Registry;
use crate::otel::OtelTracerProvider;
use crate::outcome::OutcomeSampler;
#[cfg(feature = "prometheus-server")]
use crate::prometheus_server::{PrometheusServer, serve_prometheus};
use crate::propagation::install_propagator;
use crate::queue::SpanQueue;
use crate::record::Resource;
use crate::red::RedMetrics;
use crate::redaction::Redactor;
use crate::resource::resource;
use crate::sampling::HeadSampler;
use crate::spans::{Recorder, SpanJudges, Spans};
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
    /// Log lines cannot be set up.
    #[error("{0}")]
    Logging(#[from] LoggingError),
    /// Nobody can ask for metrics.
    #[error("metrics cannot be served at {address}: {source}; write another address, or port 0 for a free one")]
    Prometheus {
        /// Where they were to be served.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The telemetry of one service: spans, logs, metrics, and what sends them.
#[derive(Debug)]
pub struct TelemetryProviders {
    resource: ArcSwap<Resource>,
    spans: Spans,
    span_queue: SpanQueue,
    logs: LogQueue,
    registry: Registry,
    redactor: Arc<Redactor>,
    outlet: Outlet,
    /// Whether the queues are drained here.
    drains: bool,
    drain: Mutex<Option<JoinHandle<()>>>,
    /// One configuration at a time.
    changing: Mutex<()>,
    #[cfg(feature = "prometheus-server")]
    prometheus: Mutex<Option<PrometheusServer>>,
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
    start(config, |_logs| Ok(()))
}

/// Everything a service needs, with one call: what [`init_telemetry`] does, log lines for people on standard error, and
/// the same lines as log records, each with its trace, where a target takes logs. `SABOT_LOG` or `RUST_LOG` say which
/// lines; `info` unless they do. For the start of `main`, once: the process can have one receiver of `tracing` events.
///
/// ```standalone_crate
/// use sabot_telemetry::{TelemetryConfig, init_comprehensive_tracing, traced};
/// # use sabot_telemetry::{ExportersConfig, Target, TargetKind};
///
/// #[traced]
/// fn charge() {
///     tracing::info!("charged"); // a line for people, and a log record in the trace of this function
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = tempfile::tempdir()?.keep().join("lines");
/// # let file = Target::new("file", TargetKind::File { path: path.clone() });
/// # let exporters = ExportersConfig { targets: vec![file], ..ExportersConfig::default() };
/// let config = TelemetryConfig::new("checkout").with_environment("staging");
/// # let config = config.with_exporters(exporters).without_environment();
/// let telemetry = init_comprehensive_tracing(config)?;
/// charge();
/// assert!(telemetry.shutdown().await);
/// # let sent = std::fs::read_to_string(&path)?;
/// # let log = sent.lines().find(|line| line.contains("\"charged\"")).expect("a log record");
/// # let trace = log.split("\"traceId\":\"").nth(1).and_then(|rest| rest.get(..32)).expect("a trace");
/// # assert!(sent.lines().any(|line| line.contains("resourceSpans") && line.contains(trace)), "{sent}");
/// # std::fs::remove_dir_all(path.parent().expect("a directory"))?;
/// # Ok(())
/// # }
/// ```
pub fn init_comprehensive_tracing(config: TelemetryConfig) -> Result<TelemetryProviders, TelemetryError> {
    let set_up = |logs: Option<&LogQueue>| {
        let layer = logs.map(|logs| {
            // Until a target takes them.
            logs.want(false);
            logs.layer()
        });
        Ok(init_logging_of_service(layer)?)
    };
    start(config, set_up)
}

/// `set_up_logging` gets the queue of log records, if it is drained here.
fn start(
    config: TelemetryConfig,
    set_up_logging: impl FnOnce(Option<&LogQueue>) -> Result<(), TelemetryError>,
) -> Result<TelemetryProviders, TelemetryError> {
    let (config, settings) = checked(config)?;
    let redactor = Arc::new(Redactor::new(&config.redaction).map_err(ConfigError::from)?);
    let (capacity, log_limits) = (settings.logs_batch.max_queue_size, config.log_limits.clone());
    let logs = LogQueue::with_limits(capacity, Some(Arc::clone(&redactor)), log_limits);
    let registry = Registry::with_redactor(Arc::clone(&redactor));
    set_up_logging(Some(&logs).filter(|_| config.drain_queues))?;
    config.warn();
    let queue_redactor = Some(Arc::clone(&redactor));
    let (capacity, limits) = (config.span_queue_capacity, config.span_limits.clone());
    let span_queue = SpanQueue::with_redactor(capacity, config.max_spans_per_second, queue_redactor, limits);
    let resource = Arc::new(Resource::of_service(config.service_name.clone()));
    let providers = TelemetryProviders {
        resource: ArcSwap::new(Arc::clone(&resource)),
        spans: Spans::of(Recorder::new(Arc::clone(&resource), span_queue.clone())),
        span_queue,
        outlet: Outlet::new(logs.clone(), registry.clone()),
        logs,
        redactor,
        drains: config.drain_queues,
        drain: Mutex::default(),
        changing: Mutex::default(),
        #[cfg(feature = "prometheus-server")]
        prometheus: Mutex::new(prometheus(&config, &registry)?),
        registry,
    };
    // Who drains the queues himself hands over what he takes when he is ready.
    let sent = if config.drain_queues { &settings } else { &ExportSettings::default() };
    providers.set(&config, sent, SHUTDOWN)?;
    if config.install {
        let tracers = OtelTracerProvider::new(&providers.spans).with_baggage_attributes(config.baggage_attributes);
        install_tracer_provider(tracers);
        RegistryMeterProvider::new(&providers.registry).install();
        install_propagator(config.propagator);
    }
    Ok(providers)
}

/// A configuration with what the environment says, and where it sends; checked.
fn checked(config: TelemetryConfig) -> Result<(TelemetryConfig, ExportSettings), ConfigError> {
    let config = if config.use_environment { config.with_environment_variables()? } else { config };
    config.check()?;
    let settings = config.export_settings()?;
    Ok((config, settings))
}

/// What answers scrapes, if any are expected.
#[cfg(feature = "prometheus-server")]
fn prometheus(config: &TelemetryConfig, registry: &Registry) -> Result<Option<PrometheusServer>, TelemetryError> {
    let Some(address) = &config.metrics.prometheus_address else { return Ok(None) };
    let failed = |source| TelemetryError::Prometheus { address: address.clone(), source };
    serve_prometheus(registry, address).map(Some).map_err(failed)
}

/// Who decides about spans, and who measures them before.
fn judges(config: &TelemetryConfig, registry: &Registry, redactor: &Arc<Redactor>) -> Result<SpanJudges, ConfigError> {
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

    /// Whether spans are recorded at the moment, as far as sampling lets them.
    pub fn is_recording(&self) -> bool {
        self.spans.is_enabled()
    }

    /// What is said about the process with everything.
    pub fn resource(&self) -> Arc<Resource> {
        self.resource.load_full()
    }

    /// What sends spans, logs and metrics at the moment, if anything does.
    pub fn exporter(&self) -> Option<Exporter> {
        self.outlet.exporter()
    }

    /// Where ended spans and log records are handed over, for who drains their queues himself.
    pub const fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Works by another configuration from now on, while the service runs: whether and which spans are recorded, what is
    /// said about the service, and where everything is sent. Spans that have begun end as they began. Redaction, limits
    /// and capacities of queues, what serves metrics and what OpenTelemetry's API ends in stay as they were at the start.
    ///
    /// Blocks while the exporter there was ends, `within` a time: what it has not sent by then waits on disk for the next,
    /// or is dropped and counted. True if nothing was. On an error everything is as before.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use sabot_telemetry::{TelemetryConfig, init_telemetry};
    ///
    /// # fn main() -> Result<(), sabot_telemetry::TelemetryError> {
    /// let config = TelemetryConfig::new("shop").without_environment();
    /// let telemetry = init_telemetry(config.clone())?;
    /// telemetry.reconfigure(config.clone().with_enabled(false), Duration::from_secs(1))?;
    /// assert!(!telemetry.spans().start("checkout").root().is_recording());
    /// telemetry.reconfigure(config, Duration::from_secs(1))?;
    /// assert!(telemetry.spans().start("checkout").root().is_recording());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reconfigure(&self, config: TelemetryConfig, within: Duration) -> Result<bool, TelemetryError> {
        let (config, settings) = checked(config)?;
        let _alone = lock(&self.changing);
        self.set(&config, &settings, within)
    }

    /// Does what a checked configuration says.
    fn set(
        &self,
        config: &TelemetryConfig,
        settings: &ExportSettings,
        within: Duration,
    ) -> Result<bool, TelemetryError> {
        let mut resource = resource(config);
        self.redactor.attributes(&mut resource.attributes);
        let resource = Arc::new(resource);
        let is_on = config.enabled && config.traces.enabled;
        let judges = is_on.then(|| judges(config, &self.registry, &self.redactor)).transpose()?;
        let lost_nothing = self.send_as(settings, Arc::clone(&resource), within)?;
        self.span_queue.set_resource(&resource);
        self.spans.switch(judges);
        self.registry.set_target(&resource);
        self.resource.store(resource);
        Ok(lost_nothing)
    }

    fn send_as(
        &self,
        settings: &ExportSettings,
        resource: Arc<Resource>,
        within: Duration,
    ) -> Result<bool, TelemetryError> {
        let lost_nothing = self.outlet.change(settings, resource, within)?;
        let mut drain = lock(&self.drain);
        if self.drains && drain.is_none() && self.outlet.exporter().is_some() {
            let spans = self.span_queue.clone();
            self.logs.wake_with(move || spans.wake());
            let (spans, to) = (self.span_queue.clone(), self.outlet.clone());
            let thread = Builder::new().name("telemetry-drain".to_owned()).spawn(move || run_drain(&spans, &to));
            *drain = Some(thread.map_err(TelemetryError::Thread)?);
        }
        Ok(lost_nothing)
    }

    /// Where metrics are served to whoever asks, if they are.
    #[cfg(feature = "prometheus-server")]
    pub fn prometheus_address(&self) -> Option<SocketAddr> {
        lock(&self.prometheus).as_ref().map(PrometheusServer::address)
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
        self.drained();
        let all_sent = self.outlet.shutdown(time).await;
        self.stop_serving();
        all_sent
    }

    /// The same for code that is not asynchronous.
    pub fn shutdown_blocking(&self, time: Duration) -> bool {
        self.close();
        self.drained();
        let all_sent = self.outlet.shutdown_blocking(time);
        self.stop_serving();
        all_sent
    }

    /// Metrics can be asked for until everything is sent.
    #[cfg_attr(not(feature = "prometheus-server"), expect(clippy::unused_self, reason = "nothing is served"))]
    fn stop_serving(&self) {
        #[cfg(feature = "prometheus-server")]
        drop(lock(&self.prometheus).take());
    }

    /// Waits until the queues are empty. It takes what the queues hold to encode; no target is waited for.
    fn drained(&self) {
        if let Some(thread) = lock(&self.drain).take()
            && thread.join().is_err()
        {
            tracing::error!("thread telemetry-drain ended by a panic");
        }
    }
}

/// Takes ended spans and log records to what sends them.
fn run_drain(spans: &SpanQueue, to: &Outlet) {
    logs::suppress_on_this_thread();
    let mut is_open = true;
    while is_open {
        is_open = spans.wait(TICK);
        loop {
            let ended = spans.drain(DRAIN);
            let is_rest = ended.len() < DRAIN;
            to.export_spans(ended);
            if is_rest {
                break;
            }
        }
        to.export_logs();
    }
}
