//! The exporter: a handle for those who have telemetry, and the thread behind it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::batch::Batch;
use super::breaker::Circuit;
use super::gathering::Gathering;
use super::ledger::LedgerCounts;
use super::meters::Meters;
use super::otlp::{self, MetricsState};
use super::queue::Queue;
use super::route::{Member, Route};
use super::transport;
use crate::clock::unix_nanos_now;
use crate::config::{BatchConfiguration, ConfigError, ExportPolicy, ExportSettings, ExportersConfig, Signal, Target};
use crate::logs;
use crate::sync::lock;
use crate::{LogRecord, Registry, Resource, SpanRecord};

/// How often it is looked whether telemetry has waited long enough, at least.
const LONGEST_NAP: Duration = Duration::from_millis(250);
/// Longest time that is counted with; more means never.
const LONGEST: Duration = Duration::from_hours(24 * 365);
/// Bytes of a batch, about, above which it is split: receivers take 4 MiB at least.
const BATCH_BYTES: u64 = 2 << 20;

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
        dir: PathBuf,
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
    _last: Arc<Last>,
}

/// Held by all handles together: when none is left, nobody can give the exporter anything, and it ends.
#[derive(Debug)]
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close(Duration::ZERO);
    }
}

#[derive(Debug)]
struct Shared {
    resource: ArcSwap<Resource>,
    registry: Registry,
    routes: Vec<Arc<Route>>,
    meters: Arc<Meters>,
    spans: Gathering<SpanRecord>,
    logs: Gathering<LogRecord>,
    /// The first of some records has come.
    arrived: Notify,
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
    /// What the queue is called: `failover`, or as its one target.
    pub name: String,
    /// What it holds; each kind of telemetry has queues of its own, so that none waits for another.
    pub signal: Signal,
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
        let (settings, (told, tell)) = (settings.clone(), sync_channel(1));
        // The runtime begins and ends on its own thread: one must not end on a thread that runs another.
        let run = move || run(&settings, resource, registry, &told);
        let thread = Builder::new().name("telemetry-export".to_owned()).spawn(run).map_err(ExporterError::Thread)?;
        let ended = || ExporterError::Thread(io::Error::other("it ended by a panic"));
        let shared = tell.recv().map_err(|_ended| ended())??;
        *lock(&shared.thread) = Some(thread);
        Ok(Self { shared: Arc::clone(&shared), _last: Arc::new(Last(shared)) })
    }

    /// Whether any target takes a signal; what nobody takes need not be given.
    pub fn takes(&self, signal: Signal) -> bool {
        self.shared.routes.iter().any(|route| route.takes(signal))
    }

    /// Accepts ended spans. Never waits for a target.
    pub fn export_spans(&self, spans: impl IntoIterator<Item = SpanRecord>) {
        if self.takes(Signal::Traces) {
            let full = |full: &[SpanRecord]| self.shared.push_split(full, &otlp::spans);
            if self.shared.spans.add(spans, self.shared.now(), full) {
                self.shared.arrived.notify_one();
            }
        }
    }

    /// Accepts log records. Never waits for a target.
    pub fn export_logs(&self, records: impl IntoIterator<Item = LogRecord>) {
        if self.takes(Signal::Logs) {
            let full = |full: &[LogRecord]| self.shared.push_logs(full);
            if self.shared.logs.add(records, self.shared.now(), full) {
                self.shared.arrived.notify_one();
            }
        }
    }

    /// Says something else about the process from now on, with metrics and log records; spans say it themselves.
    pub(crate) fn set_resource(&self, resource: Arc<Resource>) {
        self.shared.resource.store(resource);
    }

    pub(crate) fn resource(&self) -> Arc<Resource> {
        self.shared.resource.load_full()
    }

    /// How all queues and targets are doing.
    pub fn status(&self) -> Vec<RouteStatus> {
        let now = self.shared.now();
        let status = |route: &Arc<Route>| RouteStatus {
            name: route.name.clone(),
            signal: route.signal,
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

/// The exporter's thread, from its runtime's first moment to its last.
fn run(
    settings: &ExportSettings,
    resource: Arc<Resource>,
    registry: Registry,
    told: &SyncSender<Result<Arc<Shared>, ExporterError>>,
) {
    logs::suppress_on_this_thread();
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(told.send(Err(ExporterError::Thread(error)))),
    };
    let (stop, stopped) = watch::channel(None);
    let (finish, finished) = watch::channel(false);
    let within = runtime.enter();
    let shared = Shared::new(settings, resource, registry, stop, finished).map(Arc::new);
    drop(within);
    match shared {
        Err(error) => drop(told.send(Err(error))),
        Ok(shared) => {
            // Nobody is there to be told only after a panic of the caller.
            drop(told.send(Ok(Arc::clone(&shared))));
            runtime.block_on(shared.run(stopped));
            finish.send_replace(true);
        }
    }
    // Whatever hangs in a name server, a pipe or a disk is left behind.
    runtime.shutdown_background();
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

/// The name of the queue for all targets together.
const FAILOVER: &str = "failover";

/// For each kind of telemetry one route for all targets that take it, or one for each of them.
fn routes(settings: &ExportSettings, epoch: Instant) -> Result<Vec<Arc<Route>>, ExporterError> {
    let exporters = &settings.exporters;
    let mut routes = Vec::new();
    for signal in Signal::ALL {
        let takers: Vec<&Target> = exporters.targets.iter().filter(|target| target.takes(signal)).collect();
        let groups: Vec<(&str, &[&Target])> = match exporters.policy {
            ExportPolicy::Failover => vec![(FAILOVER, &takers[..])],
            ExportPolicy::Fanout => {
                takers.chunks(1).filter_map(|one| Some((one.first()?.name.as_str(), one))).collect()
            }
        };
        for (name, targets) in groups.into_iter().filter(|(_, targets)| !targets.is_empty()) {
            routes.push(Arc::new(route(exporters, name, signal, targets, epoch)?));
        }
    }
    for orphan in orphaned_queues(exporters) {
        tracing::warn!("{orphan}");
    }
    Ok(routes)
}

fn route(
    exporters: &ExportersConfig,
    name: &str,
    signal: Signal,
    targets: &[&Target],
    epoch: Instant,
) -> Result<Route, ExporterError> {
    let queue = Queue::open(&exporters.queue, &Path::new(name).join(signal.as_str())).map_err(|source| {
        let dir = exporters.queue.dir.as_ref().map(|dir| dir.join(name)).unwrap_or_default();
        ExporterError::Queue { dir, source }
    })?;
    let member = |target: &&Target| -> Result<Arc<Member>, ConfigError> {
        Ok(Arc::new(Member::new((*target).clone(), transport::connect(target)?, exporters.max_backoff)))
    };
    let members = targets.iter().map(member).collect::<Result<_, _>>()?;
    let (name, queue, switch_after) = (name.to_owned(), Arc::new(queue), exporters.switch_after);
    Ok(Route { name, signal, queue, members, epoch, switch_after })
}

/// Batches on disk for a target that is not configured: they are neither sent nor removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanedQueue {
    /// Where they are.
    pub dir: PathBuf,
    /// How many.
    pub batches: usize,
}

impl fmt::Display for OrphanedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, batches) = (self.dir.display(), self.batches);
        write!(
            f,
            "{dir}: {batches} batches wait for an exporter that is not configured any more; configure it, or remove them"
        )
    }
}

/// What waits for targets that are not there any more.
pub fn orphaned_queues(exporters: &ExportersConfig) -> Vec<OrphanedQueue> {
    let Some(dir) = &exporters.queue.dir else { return Vec::new() };
    let below = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.path()).collect()
    };
    let mut served = BTreeSet::new();
    for target in &exporters.targets {
        let name = if exporters.policy == ExportPolicy::Failover { FAILOVER } else { &target.name };
        let signals = Signal::ALL.into_iter().filter(|signal| target.takes(*signal));
        served.extend(signals.map(|signal| dir.join(name).join(signal.as_str())));
    }
    let queues = below(dir).into_iter().flat_map(|of_name| below(&of_name)).filter(|queue| !served.contains(queue));
    let waiting = |dir: PathBuf| {
        let batches = below(&dir).iter().filter(|path| path.extension().is_some_and(|kind| kind == "otlp")).count();
        OrphanedQueue { dir, batches }
    };
    queues.map(waiting).filter(|queue| queue.batches > 0).collect()
}

fn gathering<T>(batch: &BatchConfiguration) -> Gathering<T> {
    Gathering::new(batch.max_export_batch_size.max(1), batch.scheduled_delay.min(LONGEST))
}

impl Shared {
    /// To be called within the runtime that is to run it.
    fn new(
        settings: &ExportSettings,
        resource: Arc<Resource>,
        registry: Registry,
        stop: watch::Sender<Option<Instant>>,
        finished: watch::Receiver<bool>,
    ) -> Result<Self, ExporterError> {
        let epoch = Instant::now();
        let routes = routes(settings, epoch)?;
        let meters = Meters::register(&routes, epoch, &registry);
        Ok(Self {
            resource: ArcSwap::new(resource),
            registry,
            routes,
            meters,
            spans: gathering(&settings.batch),
            logs: gathering(&settings.logs_batch),
            arrived: Notify::new(),
            metrics_interval: settings.metrics_interval.clamp(LONGEST_NAP, LONGEST),
            metrics: Mutex::new(MetricsState::new(settings.temporality, unix_nanos_now())),
            epoch,
            stop,
            finished,
            thread: Mutex::default(),
        })
    }

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
                () = self.arrived.notified() => continue,
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
        self.meters.end();
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn flush(&self) {
        let now = self.now();
        self.spans.flush(now, |rest| self.push_split(rest, &otlp::spans));
        self.logs.flush(now, |rest| self.push_logs(rest));
    }

    fn push_metrics(&self) {
        if self.routes.iter().any(|route| route.takes(Signal::Metrics)) {
            let samples = self.registry.snapshot();
            let batch = otlp::metrics(&self.resource.load(), &samples, &mut lock(&self.metrics), unix_nanos_now());
            if let Some(batch) = batch {
                self.push(&batch);
            }
        }
    }

    fn push_logs(&self, records: &[LogRecord]) {
        self.push_split(records, &|records: &[LogRecord]| otlp::logs(&self.resource.load(), records));
    }

    /// Queues records, in several batches when they are large.
    fn push_split<T>(&self, records: &[T], encode: &dyn Fn(&[T]) -> Batch) {
        let batch = encode(records);
        match records.split_at_checked(records.len() / 2) {
            Some((one, other)) if batch.size_bytes() > BATCH_BYTES && !one.is_empty() => {
                self.push_split(one, encode);
                self.push_split(other, encode);
            }
            _ => self.push(&batch),
        }
    }

    fn push(&self, batch: &Batch) {
        for route in self.routes.iter().filter(|route| route.takes(batch.signal)) {
            route.queue.push(batch.clone());
        }
    }

    /// Takes no more, and has what is there sent by a time. Only the first call does something.
    fn close(&self, within: Duration) {
        self.spans.close(|rest| self.push_split(rest, &otlp::spans));
        self.logs.close(|rest| self.push_logs(rest));
        let is_first = self.stop.send_if_modified(|stop| {
            let is_first = stop.is_none();
            if is_first {
                self.push_metrics();
                *stop = Some(Instant::now() + within.min(LONGEST));
            }
            is_first
        });
        if !is_first {
            tracing::debug!("the exporter is being shut down already");
        }
    }

    fn lost_nothing(&self) -> bool {
        let shutdown = super::ledger::DropReason::Shutdown;
        let has_ended = *self.finished.borrow();
        has_ended && self.routes.iter().all(|route| route.queue.counts().dropped_for(shutdown) == 0)
    }
}
