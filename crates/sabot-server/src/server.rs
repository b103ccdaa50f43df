//! A server's life: start in order, say what is there, drain in order.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sabot_common::clock::{SharedClock, SystemClock};
use sabot_common::config::{Project, Settings};
use sabot_common::registry;
use sabot_observatory::{MetricsHistory, SpanStore, SpanWriter, TraceReader};
use sabot_runtime::{Committer, Workers, describe};
use sabot_sql::QueryEngine;
use sabot_store::{Disk, RealDisk, Store, StoreOptions, StreamKind};
use sabot_telemetry::{LogLayer, TelemetryProviders};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{self, Api, QueryThreads, Serving};
use crate::check::explained;
use crate::monitor::{Monitor, instant};
use crate::platform::{Parts, Platform};
use crate::relations::ServerRelations;
use crate::telemetry::{Places, Telemetry};
use crate::{ServerError, UpOptions, listen};

/// Longest a drain may take before the process ends anyway; what is not committed then is done again at the next start.
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);
/// Longest wait for requests under way, and then for the data directory to be free.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait for exporters at the end.
const EXPORT_DEADLINE: Duration = Duration::from_secs(3);
/// Threads that answer ad-hoc queries, and as many that read traces and rows.
const QUERY_THREADS: usize = 2;

/// A running server.
pub struct Server {
    platform: Arc<Platform>,
    monitor: Arc<Monitor>,
    clock: SharedClock,
    telemetry: Arc<Telemetry>,
    span_writer: Option<SpanWriter>,
    /// Where ad-hoc queries run, and where traces and rows are read; they end with the server.
    _queries: [Workers; 2],
    closing: watch::Sender<bool>,
    /// What runs beside the jobs.
    background: JoinSet<()>,
    started: Duration,
}

/// What a start made.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where the API and the pages are.
    pub address: SocketAddr,
    /// Whether the pages are served.
    pub with_ui: bool,
    /// Where data is kept.
    pub data_dir: PathBuf,
    /// How many streams, tables and agents there are.
    pub streams: usize,
    /// Tables.
    pub tables: usize,
    /// Agents.
    pub agents: usize,
    /// Worker threads.
    pub workers: usize,
    /// Everything was finished and committed by an earlier run.
    pub finished_before: bool,
    /// What is not as the user may think.
    pub warnings: Vec<String>,
}

/// How far processing is, for a progress display.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Events that came in from sources.
    pub events_in: u64,
    /// Events written by agents.
    pub events_out: u64,
    /// Events from sources per second, lately.
    pub events_per_second: f64,
    /// Late rows.
    pub late: u64,
    /// Errors and malformed rows.
    pub errors: u64,
    /// Lowest watermark, RFC 3339; empty when there is none.
    pub watermark: String,
    /// Share of bounded sources read.
    pub fraction: Option<f64>,
    /// Nothing is left to do.
    pub idle: bool,
    /// What failed.
    pub failures: Vec<Failure>,
    /// When nothing is left to do all the same: what is not finished, and why.
    pub unfinished: Vec<String>,
}

/// A source or agent that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {error}")]
pub struct Failure {
    /// `agent NAME` or `source of NAME`.
    pub what: String,
    /// Why.
    pub error: String,
    /// The command that tells more.
    pub look: String,
}

/// What came of a source's rows in this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSummary {
    /// The stream or table it fills.
    pub name: String,
    /// Rows that did not fit and were left out.
    pub dead: u64,
    /// The stream they are kept in; none when they were skipped.
    pub kept_in: Option<String>,
}

/// What one agent did in this run.
#[derive(Clone, Debug)]
pub struct AgentSummary {
    /// Its name.
    pub name: String,
    /// Events read.
    pub events_in: u64,
    /// Events written.
    pub events_out: u64,
    /// From its start to its last commit.
    pub elapsed: Duration,
    /// Late rows.
    pub late: u64,
    /// Errors.
    pub errors: u64,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    /// Starts a server, from configuration to listening. Must be called on a tokio runtime. `logs` makes log records of
    /// what the process logs, for a target that takes them.
    pub async fn start(options: &UpOptions, logs: &LogLayer) -> Result<(Self, Started), ServerError> {
        let project = load_project(options)?;
        let settings = project.settings.settings.clone();
        let address = checked_address(options, &settings)?;
        crate::process::raise_open_files();
        let clock = SystemClock::shared();
        let data_dir = data_dir(options, &project);
        // Bound before anything is removed or recovered: a taken port should cost no time and change nothing.
        let listener = listen::bind(address).await?;
        if options.fresh {
            crate::check::check_plans(&project)?;
            remove_data(&data_dir)?;
        }
        let bound = listener.local_addr().map_err(ServerError::environment)?;
        let places = Places { project: project.dir.clone(), data: data_dir.clone() };
        let telemetry = Arc::new(Telemetry::start(&project, places, bound, logs)?);
        let registry = telemetry.providers.registry().clone();
        let platform = platform(options, &project, &data_dir, &telemetry.providers, &clock)?;
        telemetry.start_sending()?;
        let (spans, span_writer) = span_store(&telemetry, &data_dir, &settings, &clock)?;
        let monitor =
            Monitor::new(Arc::clone(&platform), Arc::clone(&spans), data_dir.clone(), SharedClock::clone(&clock));
        let queries = Workers::start("sabot-query", QUERY_THREADS).map_err(ServerError::environment)?;
        let looks = Workers::start("sabot-look", QUERY_THREADS).map_err(ServerError::environment)?;
        let metrics = Arc::new(MetricsHistory::new(SharedClock::clone(&clock), registry));
        let engine = query_engine(&platform, &spans, &data_dir, &settings)?;
        let api = Api {
            platform: Arc::clone(&platform),
            monitor: Arc::clone(&monitor),
            traces: Arc::new(trace_reader(&spans, &settings)?),
            spans,
            metrics: Arc::clone(&metrics),
            queries: Arc::new(engine),
            query_threads: QueryThreads::new(queries.handle().clone()),
            look_threads: QueryThreads::new(looks.handle().clone()),
            telemetry: Arc::clone(&telemetry),
            clock: SharedClock::clone(&clock),
            started_at: clock.now(),
            project: project_name(&project),
        };
        let mut warnings = platform.declare(&project).map_err(|error| explained(&project, error))?;
        warnings.extend(platform.deploy_project(&project.agents).map_err(|error| explained(&project, error))?);
        let finished_before = platform.is_finished();
        let (closing, closed) = watch::channel(false);
        let mut background = JoinSet::new();
        background.spawn(crate::housekeeping::run(Arc::clone(&platform), closed.clone()));
        background.spawn(Arc::clone(&monitor).run(metrics, closed.clone()));
        let router = api::router(api, serving(options, bound));
        background.spawn(listen::serve(listener, router, listen::Limits::default(), closed));
        let described = described(&platform);
        let started =
            Started { address: bound, with_ui: !options.no_ui, data_dir, finished_before, warnings, ..described };
        let started_at = clock.monotonic();
        let span_writer = Some(span_writer);
        let server = Self {
            platform,
            monitor,
            clock,
            telemetry,
            span_writer,
            _queries: [queries, looks],
            closing,
            background,
            started: started_at,
        };
        Ok((server, started))
    }

    /// How far processing is.
    pub fn reading(&self) -> Reading {
        let totals = self.monitor.totals();
        let failures = self.platform.inspect(|sources, agents| {
            let sources = sources.iter().filter_map(|(name, source)| {
                let look = "sabot status --detailed".to_owned();
                Some(Failure { what: format!("source of {name}"), error: source.status().1?, look })
            });
            let agents = agents.iter().filter_map(|(name, agent)| {
                let look = format!("sabot agents show {name}");
                Some(Failure { what: format!("agent {name}"), error: agent.failure()?, look })
            });
            sources.chain(agents).collect()
        });
        Reading {
            events_in: self.platform.source_events(),
            events_out: totals.events_out,
            events_per_second: self.monitor.rate("sources"),
            late: totals.late,
            errors: totals.errors,
            watermark: totals.watermark.map(instant).unwrap_or_default(),
            fraction: totals.progress,
            idle: self.platform.is_idle(),
            failures,
            unfinished: self.platform.unfinished(),
        }
    }

    /// Time since it started serving.
    pub fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    /// What each agent has done in this run.
    pub fn summary(&self) -> Vec<AgentSummary> {
        self.platform.inspect(|_, agents| {
            let of = |(name, agent): (&String, &crate::platform::AgentEntry)| {
                let count = |pick: fn(&sabot_runtime::JobStats) -> u64| agent.stats.as_deref().map_or(0, pick);
                AgentSummary {
                    name: name.clone(),
                    events_in: count(|s| s.rows_in.load(Ordering::Relaxed)),
                    events_out: count(|s| s.rows_out.load(Ordering::Relaxed)),
                    elapsed: Duration::from_nanos(count(|s| s.active_nanos.load(Ordering::Relaxed))),
                    late: count(|s| s.late.load(Ordering::Relaxed)),
                    errors: count(|s| s.errors.load(Ordering::Relaxed)),
                }
            };
            agents.iter().map(of).collect()
        })
    }

    /// What came of each source's rows in this run.
    pub fn source_summary(&self) -> Vec<SourceSummary> {
        let of = |(name, source): (&String, &crate::platform::SourceEntry)| {
            let dead_letters = format!("{name}.dead");
            SourceSummary {
                name: name.clone(),
                dead: source.job.as_ref().map_or(0, |job| job.stats().dead.load(Ordering::Relaxed)),
                kept_in: self.platform.store.stream(&dead_letters).map(|_| dead_letters),
            }
        };
        self.platform.inspect(|sources, _| sources.iter().map(of).collect())
    }

    /// Ends all jobs: they commit what they have read. True when all of it was done in time.
    pub async fn drain(&self) -> bool {
        tokio::time::timeout(DRAIN_DEADLINE, self.platform.drain()).await.is_ok()
    }

    /// Drains, answers requests that are under way and writes spans. True when all that was read is committed. Then the
    /// data directory is free for others, unless a request has not ended in time.
    pub async fn stop(mut self) -> bool {
        let drained = self.drain().await;
        self.closing.send_replace(true);
        let ended = async { while self.background.join_next().await.is_some() {} };
        let answered = tokio::time::timeout(CLOSE_DEADLINE, ended).await.is_ok();
        self.telemetry.providers.close();
        if let Some(writer) = self.span_writer.take()
            && let Ok(Err(error)) = tokio::task::spawn_blocking(move || writer.stop()).await
        {
            tracing::warn!("the last spans could not be written: {error}");
        }
        if !self.telemetry.finish_sending(EXPORT_DEADLINE).await {
            tracing::warn!(
                "telemetry that no exporter took within {EXPORT_DEADLINE:?} is lost; exporters.queue.max_disk would keep it"
            );
        }
        let closed = self.platform.store.closed();
        drop(self);
        if !answered {
            tracing::warn!("a request did not end within {CLOSE_DEADLINE:?} and is cut off");
        } else if tokio::time::timeout(CLOSE_DEADLINE, closed).await.is_err() {
            tracing::warn!("the data directory is in use until this process ends");
        }
        drained
    }
}

/// What there is in a platform; where it is served is for the caller to fill in.
fn described(platform: &Platform) -> Started {
    let streams = platform.store.streams();
    Started {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        with_ui: false,
        data_dir: PathBuf::new(),
        streams: streams.iter().filter(|stream| stream.spec.kind == StreamKind::Stream).count(),
        tables: platform.tables().len(),
        agents: platform.inspect(|_, agents| agents.len()),
        workers: platform.worker_threads(),
        finished_before: false,
        warnings: Vec::new(),
    }
}

fn serving(options: &UpOptions, bound: SocketAddr) -> Serving {
    Serving { with_ui: !options.no_ui, on_loopback: bound.ip().is_loopback() }
}

fn load_project(options: &UpOptions) -> Result<Project, ServerError> {
    Ok(Project::load_with(options.dir.as_deref(), options.config.as_deref())?)
}

fn project_name(project: &Project) -> String {
    let dir = std::fs::canonicalize(&project.dir).unwrap_or_else(|_| project.dir.clone());
    dir.file_name().map_or_else(|| "sabot".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn data_dir(options: &UpOptions, project: &Project) -> PathBuf {
    options.data_dir.clone().unwrap_or_else(|| project.dir.join(".sabot"))
}

/// Removes a data directory, and only that: a directory Sabot did not make is refused.
fn remove_data(dir: &Path) -> Result<(), ServerError> {
    if !dir.exists() {
        return Ok(());
    }
    if !sabot_store::is_data_dir(dir) {
        return Err(ServerError::refused(format!(
            "{} is not a Sabot data directory; --fresh does not delete it",
            dir.display()
        )));
    }
    sabot_store::remove_data_dir(dir).map_err(ServerError::from)
}

fn checked_address(options: &UpOptions, settings: &Settings) -> Result<SocketAddr, ServerError> {
    let ip: IpAddr = options.bind.unwrap_or(settings.server.bind);
    if !ip.is_loopback() && !options.insecure {
        return Err(ServerError::refused(format!(
            "listening on {ip} would let anyone on the network read and change everything; bind to 127.0.0.1, or add --insecure if the network is yours"
        )));
    }
    Ok(SocketAddr::new(ip, options.port.unwrap_or(settings.server.port)))
}

/// The store of spans, and what fills it.
fn span_store(
    telemetry: &Telemetry,
    data_dir: &Path,
    settings: &Settings,
    clock: &SharedClock,
) -> Result<(Arc<SpanStore>, SpanWriter), ServerError> {
    let (dir, providers) = (data_dir.join("telemetry"), &telemetry.providers);
    let store = SpanStore::open(&dir, &settings.telemetry.storage, SharedClock::clone(clock), providers.registry())
        .map_err(ServerError::environment)?;
    let (queue, outlet) = (providers.span_queue().clone(), providers.outlet().clone());
    let writer = SpanWriter::spawn(Arc::clone(&store), queue, outlet).map_err(ServerError::environment)?;
    Ok((store, writer))
}

fn query_engine(
    platform: &Arc<Platform>,
    spans: &Arc<SpanStore>,
    data_dir: &Path,
    settings: &Settings,
) -> Result<QueryEngine, ServerError> {
    let relations = ServerRelations { platform: Arc::clone(platform), spans: Arc::clone(spans) };
    // A quarter of the budget: agents come first.
    let memory = usize::try_from(settings.performance.max_memory_mb << 18).unwrap_or(usize::MAX);
    let spill = data_dir.join("spill");
    std::fs::create_dir_all(&spill)
        .map_err(|error| ServerError::environment(format!("{}: {error}", spill.display())))?;
    QueryEngine::new(Arc::new(relations), memory, spill).map_err(ServerError::environment)
}

fn trace_reader(spans: &Arc<SpanStore>, settings: &Settings) -> Result<TraceReader, ServerError> {
    let memory = usize::try_from(settings.performance.max_memory_mb << 18).unwrap_or(usize::MAX);
    TraceReader::new(spans, memory).map_err(ServerError::environment)
}

/// Opens the store and starts what runs jobs; nothing is deployed yet.
fn platform(
    options: &UpOptions,
    project: &Project,
    data_dir: &Path,
    telemetry: &TelemetryProviders,
    clock: &SharedClock,
) -> Result<Arc<Platform>, ServerError> {
    let performance = &project.settings.settings.performance;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let store_options = StoreOptions { segment_bytes: performance.segment_bytes.0, ..StoreOptions::default() };
    let store = Store::open(Arc::clone(&disk), data_dir, store_options)?;
    let registry = telemetry.registry().clone();
    let workers = Workers::start("sabot-worker", performance.workers).map_err(ServerError::environment)?;
    let durations = registry.histogram(&describe(&registry::COMMIT_DURATION), &[]);
    let committer = Committer::start(workers.handle(), Arc::clone(&store), SharedClock::clone(clock), durations);
    let parts = Parts {
        store,
        registry,
        spans: telemetry.spans().clone(),
        clock: SharedClock::clone(clock),
        disk,
        workers,
        committer,
        speed: options.speed,
    };
    Ok(Arc::new(Platform::new(project, parts)))
}
