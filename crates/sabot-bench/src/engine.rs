//! A query as an agent: planned, run on one worker thread over events in memory, committed to a real store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sabot_common::clock::{SharedClock, SystemClock};
use sabot_common::config::{AgentConfig, AgentKind, Backend, Late, Output};
use sabot_common::name::Name;
use sabot_common::registry;
use sabot_common::units::Span;
use sabot_engine::agent::{AgentContext, AgentPlan};
use sabot_runtime::{Committer, Job, JobHandle, JobOptions, JobSpec, JobState, Wiring, Workers, describe};
use sabot_sql::{Relation, RelationKind};
use sabot_store::{
    CommitRecord, CommitRequest, Disk, FrameMeta, Store, StoreOptions, StreamKind, StreamSpec, Table, TableSpec,
};

use crate::disk::{CountingDisk, Written};
use crate::error::BenchError;
use crate::meter::{Cost, Meter};
use crate::source::MemorySource;
use crate::telemetry::Telemetry;
use crate::workload::{EVENT_TIME, EVENTS, Query, RATES, Workload};

/// The defaults of the product.
const OPTIONS: JobOptions = JobOptions { commit_interval: Duration::from_millis(100), commit_bytes: 32 << 20 };
/// How far the watermark stays behind the newest event.
const WATERMARK: Duration = Duration::from_millis(50);

/// What a run did and took.
#[derive(Debug)]
pub(crate) struct Run {
    /// Planning.
    pub(crate) planning: Cost,
    /// From the job's start to its last commit.
    pub(crate) running: Cost,
    /// Rows that reached the sink.
    pub(crate) rows_out: u64,
    /// What went to the disk after the start.
    pub(crate) written: Written,
    /// Commit groups made durable.
    pub(crate) groups: u64,
    /// Time in each operator.
    pub(crate) operators: Vec<(&'static str, Duration)>,
}

impl Run {
    /// Planning and running together, which is what the baseline's query takes.
    pub(crate) fn whole(&self) -> Cost {
        Cost { wall: self.planning.wall + self.running.wall, cpu: self.planning.cpu + self.running.cpu }
    }
}

/// Runs a query to its end, in a store of its own below `dir`.
pub(crate) fn run(
    workload: &Workload,
    query: &Query,
    output: &Output,
    telemetry: &Telemetry,
    dir: &Path,
) -> Result<Run, BenchError> {
    let dir = tempfile::Builder::new().prefix("store-").tempdir_in(dir)?;
    let disk = Arc::new(CountingDisk::default());
    let store = Store::open(Arc::clone(&disk) as Arc<dyn Disk>, &dir.path().join("data"), StoreOptions::default())?;
    Bench { workload, query, output, dir: dir.path(), telemetry, disk, store, clock: SystemClock::shared() }.run()
}

struct Bench<'a> {
    workload: &'a Workload,
    query: &'a Query,
    output: &'a Output,
    dir: &'a Path,
    telemetry: &'a Telemetry,
    disk: Arc<CountingDisk>,
    store: Arc<Store>,
    clock: SharedClock,
}

impl Bench<'_> {
    fn run(&self) -> Result<Run, BenchError> {
        let tables = BTreeMap::from([(RATES.to_owned(), self.rates()?)]);
        let workers = Workers::start("sabot-worker", 1)?;
        let planning = Meter::start();
        let spec = self.job(&tables)?;
        let planning = planning.cost();
        let (written, groups) = (self.disk.written(), *self.store.commits().borrow());
        let running = Meter::start();
        let job = Job::start(spec, self.wiring(&workers))?;
        workers.handle().block_on(job.join());
        let cost = running.cost();
        self.check(&job)?;
        let stats = job.stats();
        let operators = stats.operators.iter();
        let operators = operators.map(|o| (o.name, Duration::from_nanos(o.busy_nanos.load(Ordering::Relaxed))));
        Ok(Run {
            planning,
            running: cost,
            rows_out: stats.rows_out.load(Ordering::Relaxed),
            written: self.disk.written().since(&written),
            groups: *self.store.commits().borrow() - groups,
            operators: operators.collect(),
        })
    }

    fn wiring(&self, workers: &Workers) -> Wiring {
        let durations = self.telemetry.registry().histogram(&describe(&registry::COMMIT_DURATION), &[]);
        let (store, clock) = (Arc::clone(&self.store), SharedClock::clone(&self.clock));
        Wiring {
            committer: Committer::start(workers.handle(), Arc::clone(&store), SharedClock::clone(&clock), durations),
            store,
            spans: self.telemetry.spans().clone(),
            clock,
            runtime: workers.handle().clone(),
        }
    }

    /// The table, filled through its changelog as the product fills it.
    fn rates(&self) -> Result<Arc<Table>, BenchError> {
        let rows = Workload::rates()?;
        let (key, schema) = (vec!["key".to_owned()], rows.schema());
        let spec = TableSpec { name: RATES.to_owned(), key, schema, backend: Backend::Memory };
        let table = self.store.create_table(spec)?;
        let mut writer = self.store.writer(&table.changelog_spec().name, 0, RATES)?;
        writer.append(&rows, &FrameMeta::default())?;
        let (dirty, dirty_dirs) = writer.take_dirty();
        let record =
            CommitRecord { agent: RATES.to_owned(), epoch: 1, outputs: vec![writer.end()], ..CommitRecord::default() };
        self.store.commit(&CommitRequest { record, dirty, dirty_dirs })?;
        table.apply()?;
        Ok(table)
    }

    fn job(&self, tables: &BTreeMap<String, Arc<Table>>) -> Result<JobSpec, BenchError> {
        let config = AgentConfig {
            name: Name::new("bench")?,
            kind: AgentKind::Stream,
            sql: self.query.agent.to_owned(),
            watermark: Span(WATERMARK),
            late: Late::default(),
            output: self.output.clone(),
            count: 1,
            metrics: Vec::new(),
        };
        let events = StreamSpec {
            name: EVENTS.to_owned(),
            partitions: 1,
            schema: Arc::clone(&self.workload.schema),
            event_time: Some(EVENT_TIME.to_owned()),
            retention: None,
            kind: StreamKind::Stream,
        };
        let stream = RelationKind::Stream { event_time: events.event_time.clone() };
        let mut relations = vec![Relation::new(EVENTS, Arc::clone(&events.schema), stream)];
        for table in tables.values() {
            let kind = RelationKind::Table { key: table.key().to_vec() };
            relations.push(Relation::new(table.name(), Arc::clone(table.schema()), kind));
        }
        let plan = AgentPlan::new(config, relations, &BTreeMap::from([(EVENTS.to_owned(), events)]))?;
        let context = AgentContext {
            store: Arc::clone(&self.store),
            disk: Arc::clone(&self.disk) as Arc<dyn Disk>,
            dir: self.dir.to_owned(),
            registry: self.telemetry.registry().clone(),
            spans: self.telemetry.spans().clone(),
            clock: SharedClock::clone(&self.clock),
            options: OPTIONS,
        };
        let intake = plan.intake(&context.registry)?;
        let batches = Arc::clone(&self.workload.batches);
        let source = MemorySource::new(batches, intake, SharedClock::clone(&self.clock));
        Ok(plan.job_with_sources(1, vec![Box::new(source)], tables, &context)?)
    }

    /// Everything was read and nothing was late: 20 ms of disorder are less than the watermark allows.
    fn check(&self, job: &JobHandle) -> Result<(), BenchError> {
        let wrong = |problem: String| Err(BenchError::wrong(self.query.name, problem));
        let stats = job.stats();
        match stats.state() {
            (JobState::Finished, _) => {}
            (state, error) => return wrong(format!("{}: {}", state.as_str(), error.unwrap_or_default())),
        }
        let (rows, late) = (stats.rows_in.load(Ordering::Relaxed), stats.late.load(Ordering::Relaxed));
        if rows != self.workload.events as u64 || late > 0 {
            return wrong(format!("{rows} of {} events were read, {late} of them late", self.workload.events));
        }
        Ok(())
    }
}
