//! What is deployed: streams, tables and agents, their jobs, and what happens to them over a server's life.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sabot_common::clock::SharedClock;
use sabot_common::config::{AgentConfig, Output, Project, StreamConfig};
use sabot_common::units::Speed;
use sabot_engine::agent::{AgentContext, AgentPlan};
use sabot_engine::ingest::{IngestContext, SortMemory};
use sabot_runtime::{Committer, Job, JobHandle, JobOptions, JobSpec, JobState, JobStats, Wiring, Workers};
use sabot_sql::{Relation, RelationKind};
use sabot_store::{Disk, Store, StreamKind, StreamSpec, Table};
use sabot_telemetry::{Registry, Spans};

mod agents;
mod away;
mod catalog;
mod declare;
mod graph;
mod idle;
mod launch;
mod retention;

pub(crate) use agents::{Deployed, PlatformError, Validated};
pub(crate) use graph::watermark_lag_seconds;

/// Everything that runs.
pub(crate) struct Platform {
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Registry,
    pub(crate) spans: Spans,
    pub(crate) clock: SharedClock,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    workers: Workers,
    committer: Committer,
    options: JobOptions,
    speed: Option<Speed>,
    sort_memory: SortMemory,
    state: Mutex<State>,
    /// Held while an agent is deployed, started, stopped or deleted: these take time, and must not meet.
    changes: tokio::sync::Mutex<()>,
}

/// What a platform is made of.
pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Registry,
    pub(crate) spans: Spans,
    pub(crate) clock: SharedClock,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) workers: Workers,
    pub(crate) committer: Committer,
    pub(crate) speed: Option<Speed>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, Arc<Table>>,
    /// Streams that are declared without a source: an agent fills them, in the shape that is declared here.
    declared: BTreeMap<String, StreamConfig>,
    /// Jobs that fill streams and tables from files, by stream or table.
    sources: BTreeMap<String, SourceEntry>,
    agents: BTreeMap<String, AgentEntry>,
    /// Counts of jobs that are gone, so that totals do not go back when an agent starts anew or is deleted.
    gone: Counts,
    /// Streams that there are once a row of a declared file does not fit, or an agent reads them.
    dead_letters: BTreeMap<String, StreamSpec>,
}

/// What agents have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events_in: u64,
    pub(crate) events_out: u64,
    pub(crate) late: u64,
    pub(crate) errors: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.events_in += other.events_in;
        self.events_out += other.events_out;
        self.late += other.late;
        self.errors += other.errors;
    }
}

/// A file being read into a stream or table.
pub(crate) struct SourceEntry {
    pub(crate) file: String,
    pub(crate) fills_table: bool,
    /// None when it was finished before this server started.
    pub(crate) job: Option<Arc<JobHandle>>,
    /// Why it could not start.
    pub(crate) error: Option<String>,
}

/// A deployed agent.
pub(crate) struct AgentEntry {
    pub(crate) config: AgentConfig,
    pub(crate) version: u64,
    /// The plan, or why there is none.
    pub(crate) plan: Result<Arc<AgentPlan>, String>,
    /// Counters of the newest job, and of those of the same version before it; kept after they are over.
    pub(crate) stats: Option<Arc<JobStats>>,
    pub(crate) job: Option<Arc<JobHandle>>,
    /// Where it stands when no job says otherwise.
    pub(crate) resting: JobState,
    /// Why it failed without a job.
    pub(crate) error: Option<String>,
    /// What it waits for, or did before it started.
    waits_for: Option<String>,
}

impl AgentEntry {
    /// What it waits for, if that is where it stands.
    pub(crate) fn waits_for(&self) -> Option<&str> {
        self.waits_for.as_deref().filter(|_| self.job.is_none() && self.resting == JobState::Waiting)
    }

    /// Where it stands, and its last error: what made it fail, also after it was stopped.
    pub(crate) fn status(&self) -> (JobState, Option<String>) {
        match (&self.job, &self.stats) {
            (Some(_), Some(stats)) => stats.state(),
            (None, Some(stats)) => (self.resting, self.error.clone().or_else(|| stats.state().1)),
            _ => (self.resting, self.error.clone()),
        }
    }

    /// Why it failed, if that is where it stands.
    pub(crate) fn failure(&self) -> Option<String> {
        let (state, error) = self.status();
        error.filter(|_| state == JobState::Failed)
    }

    /// Whether its output is a file.
    fn writes_file(&self) -> bool {
        matches!(self.config.output, Output::File(_))
    }

    /// What it has done, and the errors that kept it from starting.
    fn counts(&self) -> Counts {
        let count = |pick: fn(&JobStats) -> &AtomicU64| {
            self.stats.as_deref().map_or(0, |stats| pick(stats).load(Ordering::Relaxed))
        };
        Counts {
            events_in: count(|stats| &stats.rows_in),
            events_out: count(|stats| &stats.rows_out),
            late: count(|stats| &stats.late),
            errors: count(|stats| &stats.errors) + u64::from(self.error.is_some()),
        }
    }
}

impl State {
    /// What Sabot itself keeps in a stream of this name.
    fn maker_of(&self, stream: &str) -> Option<String> {
        let changes = stream.strip_suffix(".changelog").filter(|table| self.tables.contains_key(*table));
        let rows = stream.strip_suffix(".file").and_then(|agent| self.agents.get(agent));
        let rows = rows.filter(|agent| agent.writes_file());
        if self.dead_letters.contains_key(stream) {
            return Some("a source, for rows that do not fit,".to_owned());
        }
        let table = changes.map(|table| format!("table \"{table}\", for its changes,"));
        table.or_else(|| Some(format!("agent \"{}\", until its file is written,", rows?.config.name)))
    }

    /// Lists an agent. The counts of the one it takes the place of are kept: it goes on with them if it is the same.
    fn put_agent(&mut self, mut agent: AgentEntry) {
        let name = agent.config.name.to_string();
        let Some(before) = self.agents.remove(&name) else {
            self.agents.insert(name, agent);
            return;
        };
        if before.version == agent.version && before.stats.is_some() {
            self.gone.errors += u64::from(before.error.is_some());
            agent.stats = before.stats;
        } else {
            self.gone += before.counts();
        }
        self.agents.insert(name, agent);
    }

    fn remove_agent(&mut self, name: &str) -> Option<AgentEntry> {
        let removed = self.agents.remove(name)?;
        self.gone += removed.counts();
        Some(removed)
    }

    /// What all agents have done since the server started.
    fn counts(&self) -> Counts {
        let mut counts = self.gone;
        self.agents.values().for_each(|agent| counts += agent.counts());
        counts
    }
}

impl AgentEntry {
    /// Whether a table is its output.
    fn writes_table(&self, table: &str) -> bool {
        matches!(&self.config.output, Output::Table { name, .. } if name.as_str() == table)
    }
}

impl SourceEntry {
    pub(crate) fn status(&self) -> (JobState, Option<String>) {
        match (&self.job, &self.error) {
            (Some(job), _) => job.stats().state(),
            (None, Some(error)) => (JobState::Failed, Some(error.clone())),
            (None, None) => (JobState::Finished, None),
        }
    }
}

impl Platform {
    /// A platform for `project`, with nothing deployed yet.
    pub(crate) fn new(project: &Project, parts: Parts) -> Self {
        let performance = &project.settings.settings.performance;
        let memory = usize::try_from(performance.max_memory_mb << 20).unwrap_or(usize::MAX);
        Self {
            store: parts.store,
            registry: parts.registry,
            spans: parts.spans,
            clock: parts.clock,
            disk: parts.disk,
            dir: project.dir.clone(),
            workers: parts.workers,
            committer: parts.committer,
            options: JobOptions {
                commit_interval: performance.commit_interval.0,
                commit_bytes: performance.commit_bytes.0,
            },
            speed: parts.speed,
            // A sorted copy is made beside the rows read: half the budget leaves room for it.
            sort_memory: SortMemory::new(memory / 2),
            state: Mutex::default(),
            changes: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves whole entries: the map is still good.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn ingest_context(&self) -> IngestContext {
        IngestContext {
            store: Arc::clone(&self.store),
            registry: self.registry.clone(),
            spans: self.spans.clone(),
            clock: SharedClock::clone(&self.clock),
            options: self.options,
            speed: self.speed,
            sort_memory: self.sort_memory.clone(),
        }
    }

    fn agent_context(&self) -> AgentContext {
        AgentContext {
            store: Arc::clone(&self.store),
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            registry: self.registry.clone(),
            spans: self.spans.clone(),
            clock: SharedClock::clone(&self.clock),
            options: self.options,
        }
    }

    fn start_job(&self, spec: JobSpec) -> Result<Arc<JobHandle>, sabot_runtime::JobError> {
        let wiring = Wiring {
            store: Arc::clone(&self.store),
            committer: self.committer.clone(),
            spans: self.spans.clone(),
            clock: SharedClock::clone(&self.clock),
            runtime: self.workers.handle().clone(),
        };
        Job::start(spec, wiring).map(Arc::new)
    }

    /// Streams and tables as agents' SQL sees them.
    fn relations(&self) -> (Vec<Relation>, BTreeMap<String, StreamSpec>) {
        let mut streams = self.state().dead_letters.clone();
        let stored = self
            .store
            .streams()
            .into_iter()
            .filter(|stream| stream.spec.kind == StreamKind::Stream)
            .map(|stream| (stream.spec.name.clone(), stream.spec.as_ref().clone()));
        streams.extend(stored);
        let mut relations: Vec<_> = streams
            .values()
            .map(|s| {
                let kind = RelationKind::Stream { event_time: s.event_time.clone() };
                Relation::new(s.name.clone(), Arc::clone(&s.schema), kind)
            })
            .collect();
        relations.extend(self.state().tables.values().map(|table| {
            let kind = RelationKind::Table { key: table.key().to_vec() };
            Relation::new(table.name(), Arc::clone(table.schema()), kind)
        }));
        (relations, streams)
    }

    /// Whether everything has ended well.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.state();
        let any = !state.sources.is_empty() || !state.agents.is_empty();
        any && state.sources.values().all(|source| source.status().0 == JobState::Finished)
            && state.agents.values().all(|agent| agent.status().0 == JobState::Finished)
    }

    /// Whether commits wait for room on the disk.
    pub(crate) fn is_disk_full(&self) -> bool {
        let paused = |state: JobState| state == JobState::DiskFull;
        let state = self.state();
        self.committer.is_disk_full()
            || state.sources.values().any(|source| paused(source.status().0))
            || state.agents.values().any(|agent| paused(agent.status().0))
    }

    /// Runs `look` over sources and agents.
    pub(crate) fn inspect<T>(
        &self,
        look: impl FnOnce(&BTreeMap<String, SourceEntry>, &BTreeMap<String, AgentEntry>) -> T,
    ) -> T {
        let state = self.state();
        look(&state.sources, &state.agents)
    }

    /// What agents have done since the server started, those included that are gone.
    pub(crate) fn counts(&self) -> Counts {
        self.state().counts()
    }

    /// Rows that came into streams from their sources since the server started. Each counts once, whoever reads it; what
    /// fills a table is no event.
    pub(crate) fn source_events(&self) -> u64 {
        let state = self.state();
        let jobs = state.sources.values().filter(|source| !source.fills_table).filter_map(|source| source.job.as_ref());
        jobs.map(|job| job.stats().rows_out.load(Ordering::Relaxed)).sum()
    }

    /// What failed: sources, then agents, each with its error.
    pub(crate) fn failures(&self) -> (Vec<String>, Vec<String>) {
        let state = self.state();
        let sources = state.sources.iter().filter_map(|(name, source)| Some(format!("{name}: {}", source.status().1?)));
        let agents = state.agents.iter().filter_map(|(name, agent)| Some(format!("{name}: {}", agent.failure()?)));
        (sources.collect(), agents.collect())
    }

    /// The tables there are.
    pub(crate) fn tables(&self) -> BTreeMap<String, Arc<Table>> {
        self.state().tables.clone()
    }

    /// Memory of the tables that deployed agents look rows up in, by type of join; each counts once per type.
    pub(crate) fn join_state_bytes(&self) -> BTreeMap<&'static str, usize> {
        let state = self.state();
        let plans = state.agents.values().filter_map(|agent| agent.plan.as_ref().ok());
        let lookups: BTreeSet<(&'static str, &str)> = plans
            .flat_map(|plan| plan.plan.lookups())
            .map(|lookup| (lookup.kind.as_str(), lookup.table.as_str()))
            .collect();
        let mut bytes = BTreeMap::new();
        for (join_type, table) in lookups {
            *bytes.entry(join_type).or_default() += state.tables.get(table).map_or(0, |table| table.bytes());
        }
        bytes
    }

    /// What each agent has not read and committed of its stream, whether it runs or not: agent, stream, rows.
    pub(crate) fn consumer_lags(&self) -> Vec<(String, String, u64)> {
        let readers: Vec<(String, String)> = self.inspect(|_, agents| {
            let reader = |(name, agent): (&String, &AgentEntry)| {
                Some((name.clone(), agent.plan.as_ref().ok()?.plan.scan.relation.clone()))
            };
            agents.iter().filter_map(reader).collect()
        });
        let lag = |(agent, stream): (String, String)| {
            let unread = self.unread(&agent, &stream);
            (agent, stream, unread)
        };
        readers.into_iter().map(lag).collect()
    }

    /// Committed rows of a stream that an agent has not read and committed.
    pub(crate) fn unread(&self, agent: &str, stream: &str) -> u64 {
        let latest: u64 = self.store.stream(stream).iter().flat_map(|s| &s.partitions).map(|p| p.latest).sum();
        let commit = self.store.last_commit(agent);
        let inputs = commit.iter().flat_map(|commit| &commit.inputs).filter(|input| input.stream == stream);
        latest.saturating_sub(inputs.map(|input| input.offset).sum())
    }

    /// Rows of its input that an agent has not read: while it runs, as its job knows; otherwise, as its last commit does.
    pub(crate) fn lag_events(&self, agent: &AgentEntry) -> u64 {
        match (&agent.stats, &agent.plan) {
            (Some(stats), _) if !agent.status().0.is_over() => stats.lag_events(),
            (_, Ok(plan)) => self.unread(agent.config.name.as_str(), &plan.plan.scan.relation),
            (_, Err(_)) => 0,
        }
    }

    /// How many threads process batches.
    pub(crate) const fn worker_threads(&self) -> usize {
        self.workers.threads()
    }

    /// Drains everything: jobs commit what is in flight and end.
    pub(crate) async fn drain(&self) {
        let jobs: Vec<_> = {
            let state = self.state();
            let sources = state.sources.values().filter_map(|source| source.job.clone());
            sources.chain(state.agents.values().filter_map(|agent| agent.job.clone())).collect()
        };
        for job in &jobs {
            job.stop();
        }
        for job in jobs {
            job.join().await;
        }
    }
}
