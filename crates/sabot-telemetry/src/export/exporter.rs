//! The exporter: a handle for those who have telemetry, and the thread behind it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::batch::Batch;
use super::breaker::Circuit;
use super::gathering::Gathering;
use super::ledger::LedgerCounts;
use super::meters;
use super::otlp::{self, MetricsState};
use super::queue::Queue;
use super::route::{Member, Route};
use super::transport;
use crate::clock::unix_nanos_now;
use crate::config::{ConfigError, ExportPolicy, ExportSettings, Signal, Target};
use crate::logs;
use crate::sync::lock;
use crate::{LogRecord, Registry, Resource, SpanRecord};

/// How often it is looked whether telemetry has waited long enough, at least.
const LONGEST_NAP: Duration = Duration::from_millis(250);

/// An exporter that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExporterError {
    /// A setting cannot work.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The queue on disk cannot be used.
    #[error("{dir}: telemetry cannot wait here: {source}", dir = .dir.display())]
    Queue {
        /// Its directory.
        dir: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("no thread for exporters: {0}")]
    Thread(#[source] io::Error),
}

/// Sends spans, metrics and logs to the targets of a configuration. A handle: clones are the same exporter.
#[derive(Clone, Debug)]
pub struct Exporter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    resource: Arc<Resource>,
    registry: Registry,
    routes: Vec<Arc<Route>>,
    spans: Gathering<SpanRecord>,
    logs: Gathering<LogRecord>,
    metrics_interval: Duration,
    metrics: Mutex<MetricsState>,
    epoch: Instant,
    stop: watch::Sender<Option<Instant>>,
    finished: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How an exporter is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterStatus {
    /// Its name.
    pub name: String,
    /// Whether it works.
    pub circuit: Circuit,
    /// Requests made.
    pub attempts: u64,
    /// Requests that did not succeed.
    pub failures: u64,
    /// Spans, metric points and log records it took.
    pub sent: u64,
    /// What went wrong the last time, while it has not worked since.
    pub last_problem: Option<String>,
}

/// How a queue and those it is for are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStatus {
    /// What became of everything that was given to it.
    pub ledger: LedgerCounts,
    /// Those who may take it, the preferred one first.
    pub exporters: Vec<ExporterStatus>,
}

impl Exporter {
    /// Starts exporting. Spans and logs have to be given to it; metrics it reads from the registry by itself.
    pub fn start(
        settings: &ExportSettings,
        resource: Arc<Resource>,
        registry: Registry,
    ) -> Result<Self, ExporterError> {
        settings.exporters.check()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ExporterError::Thread)?;
        let within = runtime.enter();
        let (epoch, (stop, stopped)) = (Instant::now(), watch::channel(None));
        let routes = routes(settings, epoch)?;
        drop(within);
        meters::register(&routes, &registry);
        let (finish, finished) = watch::channel(false);
        let shared = Arc::new(Shared {
            resource,
            registry,
            routes,
            spans: Gathering::new(settings.batch.max_export_batch_size.max(1), settings.batch.scheduled_delay),
            logs: Gathering::new(settings.batch.max_export_batch_size.max(1), settings.batch.scheduled_delay),
            metrics_interval: settings.metrics_interval.max(LONGEST_NAP),
            metrics: Mutex::new(MetricsState::new(settings.temporality, unix_nanos_now())),
            epoch,
            stop,
            finished,
            thread: Mutex::default(),
        });
        let running = Arc::clone(&shared);
        let run = move || {
            logs::suppress_on_this_thread();
            runtime.block_on(running.run(stopped));
            finish.send_replace(true);
        };
        let thread = Builder::new().name("telemetry-export".to_owned()).spawn(run).map_err(ExporterError::Thread)?;
        *lock(&shared.thread) = Some(thread);
        Ok(Self { shared })
    }

    /// Whether any target takes a signal; what nobody takes need not be given.
    pub fn takes(&self, signal: Signal) -> bool {
        self.shared.routes.iter().any(|route| route.takes(signal))
    }

    /// Accepts ended spans. Never waits for a target.
    pub fn export_spans(&self, spans: impl IntoIterator<Item = SpanRecord>) {
        if self.takes(Signal::Traces) {
            self.shared.spans.add(spans, self.shared.now(), |full| self.shared.push(&otlp::spans(full)));
        }
    }

    /// Accepts log records. Never waits for a target.
    pub fn export_logs(&self, records: impl IntoIterator<Item = LogRecord>) {
        if self.takes(Signal::Logs) {
            let full = |full: &[LogRecord]| self.shared.push(&otlp::logs(&self.shared.resource, full));
            self.shared.logs.add(records, self.shared.now(), full);
        }
    }

    /// How all queues and targets are doing.
    pub fn status(&self) -> Vec<RouteStatus> {
        let now = self.shared.now();
        let status = |route: &Arc<Route>| RouteStatus {
            ledger: route.queue.counts(),
            exporters: route.members.iter().map(|member| exporter_status(member, now)).collect(),
        };
        self.shared.routes.iter().map(status).collect()
    }

    /// Sends everything, metrics once more included, and ends; waits for it, `within` at most. What no target took by
    /// then waits on disk, or is dropped and counted. True when nothing was dropped for want of time.
    pub async fn shutdown(&self, within: Duration) -> bool {
        self.shared.close(within);
        let mut finished = self.shared.finished.clone();
        // An error is the end of the thread, too.
        let _ended = finished.wait_for(|finished| *finished).await;
        self.shared.lost_nothing()
    }

    /// The same for code that is not asynchronous.
    pub fn shutdown_blocking(&self, within: Duration) -> bool {
        self.shared.close(within);
        if let Some(thread) = lock(&self.shared.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("thread telemetry-export ended by a panic");
        }
        self.shared.lost_nothing()
    }
}

fn exporter_status(member: &Member, now: Duration) -> ExporterStatus {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    ExporterStatus {
        name: member.target.name.clone(),
        circuit: member.circuit(now),
        attempts: read(&member.counts.attempts),
        failures: read(&member.counts.failures),
        sent: read(&member.counts.sent),
        last_problem: member.last_problem(),
    }
}

/// One route for all targets, or one for each.
fn routes(settings: &ExportSettings, epoch: Instant) -> Result<Vec<Arc<Route>>, ExporterError> {
    let exporters = &settings.exporters;
    let route = |name: &str, targets: &[Target]| {
        let queue = Queue::open(&exporters.queue, name).map_err(|source| {
            let dir = exporters.queue.dir.as_ref().map(|dir| dir.join(name)).unwrap_or_default();
            ExporterError::Queue { dir, source }
        })?;
        let member = |target: &Target| -> Result<Arc<Member>, ConfigError> {
            Ok(Arc::new(Member::new(target.clone(), transport::connect(target)?, exporters.max_backoff)))
        };
        let members = targets.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Arc::new(Route {
            name: name.to_owned(),
            queue: Arc::new(queue),
            members,
            epoch,
            switch_after: exporters.switch_after,
        }))
    };
    match exporters.policy {
        _ if exporters.targets.is_empty() => Ok(Vec::new()),
        ExportPolicy::Failover => Ok(vec![route("failover", &exporters.targets)?]),
        ExportPolicy::Fanout => {
            exporters.targets.iter().map(|target| route(&target.name, std::slice::from_ref(target))).collect()
        }
    }
}

impl Shared {
    /// The life of the thread: flush what has waited, send, stop.
    async fn run(self: Arc<Self>, stopped: watch::Receiver<Option<Instant>>) {
        let mut sending = JoinSet::new();
        for route in &self.routes {
            let (route, stop) = (Arc::clone(route), stopped.clone());
            sending.spawn(async move { route.run(stop).await });
        }
        let mut stop = stopped;
        let mut metrics_at = self.epoch + self.metrics_interval;
        while stop.borrow_and_update().is_none() {
            let nap = Instant::now() + LONGEST_NAP;
            let due = [self.spans.due_at(), self.logs.due_at()].into_iter().flatten().min().map(|due| self.epoch + due);
            tokio::select! {
                () = sleep_until(due.unwrap_or(nap).min(nap)) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
            self.flush();
            if Instant::now() >= metrics_at {
                self.push_metrics();
                metrics_at = Instant::now() + self.metrics_interval;
            }
        }
        while let Some(ended) = sending.join_next().await {
            if let Err(error) = ended {
                tracing::error!("an exporter ended: {error}");
            }
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn flush(&self) {
        let now = self.now();
        self.spans.flush(now, |rest| self.push(&otlp::spans(rest)));
        self.logs.flush(now, |rest| self.push(&otlp::logs(&self.resource, rest)));
    }

    fn push_metrics(&self) {
        if self.routes.iter().any(|route| route.takes(Signal::Metrics)) {
            let samples = self.registry.snapshot();
            let batch = otlp::metrics(&self.resource, &samples, &mut lock(&self.metrics), unix_nanos_now());
            if let Some(batch) = batch {
                self.push(&batch);
            }
        }
    }

    fn push(&self, batch: &Batch) {
        for route in self.routes.iter().filter(|route| route.takes(batch.signal)) {
            route.queue.push(batch.clone());
        }
    }

    /// Takes no more, and has what is there sent by a time. Only the first call does something.
    fn close(&self, within: Duration) {
        self.spans.close(|rest| self.push(&otlp::spans(rest)));
        self.logs.close(|rest| self.push(&otlp::logs(&self.resource, rest)));
        let is_first = self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            if is_first {
                self.push_metrics();
                *stop = Some(Instant::now() + within);
            }
            is_first
        });
        if !is_first {
            tracing::debug!("the exporter is being shut down already");
        }
    }

    fn lost_nothing(&self) -> bool {
        let shutdown = super::ledger::DropReason::Shutdown;
        self.routes.iter().all(|route| route.queue.counts().dropped_for(shutdown) == 0)
    }
}
