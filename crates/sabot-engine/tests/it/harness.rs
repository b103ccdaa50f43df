//! A project in miniature: files, streams, tables and agents, run on a given disk until all is finished.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::json::LineDelimitedWriter;
use sabot_common::clock::{SharedClock, SystemClock};
use sabot_common::config::{AgentConfig, Project, StreamConfig, TableConfig};
use sabot_engine::agent::{AgentContext, AgentPlan};
use sabot_engine::ingest::{IngestContext, SortMemory, StreamPlan, TablePlan};
use sabot_runtime::{Committer, Job, JobHandle, JobOptions, JobSpec, JobState, Wiring};
use sabot_sql::{Relation, RelationKind};
use sabot_store::{Disk, Store, StoreOptions, StreamKind};
use sabot_telemetry::{MetricDesc, MetricKind, Registry, Spans};

/// A project's directory and the registry its runs report to.
pub(crate) struct Harness {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) registry: Registry,
    pub(crate) options: StoreOptions,
    pub(crate) sort_memory: SortMemory,
    /// Disabled unless a test is about them.
    pub(crate) spans: Spans,
}

/// Why a run ended early.
pub(crate) type Ended = String;

impl Harness {
    /// A project of these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        let options = StoreOptions { segment_bytes: 4_096, journal_bytes: 8_192 };
        let sort_memory = SortMemory::new(64 << 20);
        Self { dir, registry: Registry::new(), options, sort_memory, spans: Spans::disabled() }
    }

    pub(crate) fn project(&self) -> Project {
        Project::load_from(Some(self.dir.path()), None, []).expect("a valid project")
    }

    /// Runs the project to its end on `disk`, on a runtime with `threads` workers.
    pub(crate) fn run(&self, disk: Arc<dyn Disk>, threads: usize) -> Result<Arc<Store>, Ended> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .expect("a runtime");
        let outcome = runtime.block_on(self.run_on(disk, runtime.handle()));
        runtime.shutdown_timeout(Duration::from_secs(5));
        outcome
    }

    async fn run_on(&self, disk: Arc<dyn Disk>, runtime: &tokio::runtime::Handle) -> Result<Arc<Store>, Ended> {
        // The project was there before Sabot was.
        disk.create_dir_all(self.dir.path()).map_err(|e| e.to_string())?;
        for dir in self.dir.path().ancestors() {
            disk.sync_dir(dir).map_err(|e| e.to_string())?;
        }
        let store = Store::open(Arc::clone(&disk), Path::new("/data"), self.options).map_err(|e| e.to_string())?;
        let clock = SystemClock::shared();
        let durations = self.registry.histogram(&MetricDesc::new("commits", MetricKind::Histogram, "test"), &[]);
        let wiring = Wiring {
            store: Arc::clone(&store),
            committer: Committer::start(runtime, Arc::clone(&store), SharedClock::clone(&clock), durations),
            spans: self.spans.clone(),
            clock,
            runtime: runtime.clone(),
        };
        Run { harness: self, disk, wiring }.project(&self.project()).await?;
        Ok(store)
    }
}

/// One run.
struct Run<'a> {
    harness: &'a Harness,
    disk: Arc<dyn Disk>,
    wiring: Wiring,
}

impl Run<'_> {
    const OPTIONS: JobOptions = JobOptions { commit_interval: Duration::from_millis(2), commit_bytes: 32 << 20 };

    async fn project(&self, project: &Project) -> Result<(), Ended> {
        let mut jobs = Vec::new();
        let mut tables = BTreeMap::new();
        for config in &project.tables {
            let (name, table, job) = self.table(&project.dir, config)?;
            tables.insert(name, table);
            if let Some(job) = job {
                finish(&job).await?;
            }
        }
        for config in &project.streams {
            jobs.extend(self.stream(&project.dir, config)?);
        }
        let mut waiting: Vec<&AgentConfig> = project.agents.iter().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            let mut errors = String::new();
            for config in waiting {
                match self.agent(config, &mut tables) {
                    Ok(job) => jobs.extend(job),
                    Err(error) => {
                        writeln!(errors, "{error}").expect("text");
                        still.push(config);
                    }
                }
            }
            waiting = still;
            // As a user would who deploys while the disk is full: once more when there is room.
            if waiting.len() == before && errors.contains("the disk is full") {
                tokio::task::yield_now().await;
            } else if waiting.len() == before {
                return Err(errors);
            }
        }
        for job in jobs {
            finish(&job).await?;
        }
        Ok(())
    }

    fn start(&self, spec: JobSpec) -> Result<Option<JobHandle>, Ended> {
        if self.wiring.store.last_commit(&spec.agent).is_some_and(|commit| commit.finished) {
            return Ok(None);
        }
        Job::start(spec, self.wiring.clone()).map(Some).map_err(|error| error.to_string())
    }

    fn ingest(&self) -> IngestContext {
        IngestContext {
            store: Arc::clone(&self.wiring.store),
            registry: self.harness.registry.clone(),
            spans: self.wiring.spans.clone(),
            clock: SharedClock::clone(&self.wiring.clock),
            options: Self::OPTIONS,
            speed: None,
            sort_memory: self.harness.sort_memory.clone(),
        }
    }

    fn stream(&self, dir: &Path, config: &StreamConfig) -> Result<Option<JobHandle>, Ended> {
        let plan = StreamPlan::new(dir, config.clone()).map_err(|error| error.to_string())?;
        if let Some(spec) = plan.spec() {
            self.wiring.store.create_stream(spec).map_err(|error| error.to_string())?;
        }
        match plan.job(&self.ingest()).map_err(|error| error.to_string())? {
            Some(job) => self.start(job),
            None => Ok(None),
        }
    }

    fn table(
        &self,
        dir: &Path,
        config: &TableConfig,
    ) -> Result<(String, Arc<sabot_store::Table>, Option<JobHandle>), Ended> {
        let plan = TablePlan::new(dir, config.clone()).map_err(|error| error.to_string())?;
        let spec = plan.spec().ok_or("a table without a file")?;
        let table = self.wiring.store.create_table(spec).map_err(|error| error.to_string())?;
        let job = plan.job(&table, &self.ingest()).map_err(|error| error.to_string())?;
        let job = job.map(|job| self.start(job)).transpose()?.flatten();
        Ok((config.name.to_string(), table, job))
    }

    fn agent(
        &self,
        config: &AgentConfig,
        tables: &mut BTreeMap<String, Arc<sabot_store::Table>>,
    ) -> Result<Option<JobHandle>, Ended> {
        let store = &self.wiring.store;
        let streams = store.streams().into_iter().filter(|stream| stream.spec.kind == StreamKind::Stream);
        let streams: BTreeMap<_, _> = streams.map(|s| (s.spec.name.clone(), s.spec.as_ref().clone())).collect();
        let mut relations: Vec<Relation> = streams
            .values()
            .map(|s| {
                let kind = RelationKind::Stream { event_time: s.event_time.clone() };
                Relation::new(s.name.clone(), Arc::clone(&s.schema), kind)
            })
            .collect();
        relations.extend(tables.values().map(|table| {
            let kind = RelationKind::Table { key: table.key().to_vec() };
            Relation::new(table.name(), Arc::clone(table.schema()), kind)
        }));
        let plan = AgentPlan::new(config.clone(), relations, &streams).map_err(|error| error.to_string())?;
        for spec in plan.output_stream().into_iter().chain(plan.late_stream()) {
            store.create_stream(spec).map_err(|error| error.to_string())?;
        }
        if let Some(spec) = plan.output_table() {
            let table = store.create_table(spec).map_err(|error| error.to_string())?;
            tables.insert(table.name().to_owned(), table);
        }
        let context = AgentContext {
            store: Arc::clone(store),
            disk: Arc::clone(&self.disk),
            dir: self.harness.dir.path().to_owned(),
            registry: self.harness.registry.clone(),
            spans: self.wiring.spans.clone(),
            clock: SharedClock::clone(&self.wiring.clock),
            options: Self::OPTIONS,
        };
        self.start(plan.job(1, tables, &context).map_err(|error| error.to_string())?)
    }
}

async fn finish(job: &JobHandle) -> Result<(), Ended> {
    tokio::time::timeout(Duration::from_mins(1), job.join())
        .await
        .map_err(|late| format!("a job did not end: {late}"))?;
    match job.stats().state() {
        (JobState::Finished, _) => {
            // Sources that know how many rows there are have given all.
            let progress = job.stats().progress();
            if progress.is_none_or(|share| share >= 1.0) { Ok(()) } else { Err(format!("finished at {progress:?}")) }
        }
        (state, error) => Err(format!("{}: {}", state.as_str(), error.unwrap_or_default())),
    }
}

/// Committed rows of a stream as JSON lines, by partition.
pub(crate) fn rows(store: &Store, stream: &str) -> Vec<String> {
    let info = store.stream(stream).unwrap_or_else(|| panic!("no stream {stream}"));
    (0..info.spec.partitions)
        .map(|partition| {
            let mut reader = store.reader(stream, partition, 0).expect("a reader");
            let mut text = Vec::new();
            let mut lines = LineDelimitedWriter::new(&mut text);
            while let Some(frame) = reader.next(usize::MAX).expect("rows") {
                lines.write(&frame.batch).expect("JSON");
            }
            lines.finish().expect("JSON");
            String::from_utf8(text).expect("UTF-8")
        })
        .collect()
}

/// What a file on a disk holds.
pub(crate) fn contents(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, sabot_store::OpenMode::Read).expect("the file");
    let mut bytes = vec![0; usize::try_from(file.len().expect("a length")).expect("small")];
    file.read_exact_at(&mut bytes, 0).expect("bytes");
    bytes
}

/// How many rows a stream has.
pub(crate) fn count(store: &Store, stream: &str) -> u64 {
    store.stream(stream).map_or(0, |info| info.partitions.iter().map(|partition| partition.latest).sum())
}

/// Events of some sensors as CSV: out of order by up to `disorder` seconds, some far too late.
pub(crate) fn events(count: u64, disorder: u64) -> String {
    let mut text = "at,sensor,value\n".to_owned();
    let mut seed: u64 = 42;
    for i in 0..count {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let back = (seed >> 33) % (disorder + 1) + if i % 97 == 96 { 3_600 } else { 0 };
        let second = (10_000 + i).saturating_sub(back);
        let at = sabot_common::clock::Timestamp::from_unix_micros(i64::try_from(second).expect("small") * 1_000_000);
        writeln!(text, "{at},s{},{}", (seed >> 20) % 7, (seed >> 40) % 1_000).expect("text");
    }
    text
}

/// The project most tests run: windows with late rows, a filter, and a join.
pub(crate) fn sensors(count: u64, partitions: u32, agent_count: u32, allowed: &str) -> Harness {
    Harness::new(&[
        ("data/events.csv", &events(count, 120)),
        ("data/sensors.csv", "sensor,room,limit\ns0,kitchen,100\ns1,hall,500\ns3,cellar,900\n"),
        (
            "sabot.yaml",
            &format!(
                "streams:\n  - {{ name: events, partitions: {partitions}, event_time: at, source: {{ file: data/events.csv }} }}\n\
                 tables:\n  - {{ name: sensors, backend: memory, key: sensor, source: {{ file: data/sensors.csv }} }}\n"
            ),
        ),
        (
            "agents/minutes.yaml",
            &format!(
                "name: minutes\nkind: stream\ncount: {agent_count}\nwatermark: 60s\nlate: {{ allowed: {allowed}, to: events.late }}\n\
                 output: {{ stream: minutes }}\n\
                 sql: SELECT window_start, sensor, count(*) AS n, sum(value) AS total, max(value) AS most FROM TUMBLE(events, at, INTERVAL '1 minute') GROUP BY window_start, sensor\n"
            ),
        ),
        (
            "agents/rooms.yaml",
            &format!(
                "name: rooms\nkind: stream\ncount: {agent_count}\noutput: {{ stream: rooms }}\n\
                 sql: SELECT e.at, e.sensor, s.room, e.value FROM events e LEFT JOIN sensors s ON e.sensor = s.sensor WHERE e.value >= 250\n"
            ),
        ),
        (
            "agents/loud.yaml",
            "name: loud\nkind: stream\noutput: { stream: loud }\nsql: SELECT window_start, sensor, total FROM minutes WHERE most > 900\n",
        ),
    ])
}

/// The streams of [`sensors`] that agents make.
pub(crate) const DERIVED: [&str; 4] = ["minutes", "rooms", "events.late", "loud"];
