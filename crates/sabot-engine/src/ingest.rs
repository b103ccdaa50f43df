//! Files into streams and tables: what a declared source becomes, and the job that fills it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use sabot_common::clock::SharedClock;
use sabot_common::config::{FileSource as FileSourceConfig, OnError, StreamConfig, TableConfig};
use sabot_common::units::Speed;
use sabot_runtime::{
    Chain, ChainContext, JobMetrics, JobOptions, JobSpec, JobStats, Route, Sink, StageSpec, source_extra,
};
use sabot_store::{PLACE_COLUMNS, Store, StreamKind, StreamSpec, Table, TableSpec};
use sabot_telemetry::{Registry, Spans};

use crate::EngineError;
use crate::partition::KeyHash;
use crate::sink::{StreamSink, Target};
pub use crate::source::file::SortMemory;
use crate::source::file::{
    FilePosition, FileShape, FileSource, FileSourceSpec, Fingerprint, Partitioning, Settings, Wanted, dead_schema,
    probe,
};

/// A declared stream with its columns known.
#[derive(Debug)]
pub struct StreamPlan {
    /// The declaration.
    pub config: StreamConfig,
    /// Its file, if it has one.
    shape: Option<FileShape>,
}

/// A declared table with its columns known.
#[derive(Debug)]
pub struct TablePlan {
    /// The declaration.
    pub config: TableConfig,
    shape: Option<FileShape>,
}

/// What an ingest job needs beside its plan.
#[derive(Clone, Debug)]
pub struct IngestContext {
    /// Where rows go.
    pub store: Arc<Store>,
    /// Metrics.
    pub registry: Registry,
    /// Spans.
    pub spans: Spans,
    /// Time.
    pub clock: SharedClock,
    /// Pace of commits.
    pub options: JobOptions,
    /// A replay speed that overrides those declared for streams.
    pub speed: Option<Speed>,
    /// Memory for files that must be sorted; contexts of one process share one.
    pub sort_memory: SortMemory,
}

/// The name under which a source commits.
pub fn source_agent(relation: &str) -> String {
    format!("source:{relation}")
}

/// The stream for what does not fit a relation; there is none before its first row, or its first reader.
fn dead_letters(relation: &str) -> StreamSpec {
    StreamSpec {
        name: format!("{relation}.dead"),
        partitions: 1,
        schema: dead_schema(),
        event_time: None,
        retention: None,
        kind: StreamKind::Stream,
    }
}

/// Refuses columns a stream's readers would mix up with where a row is.
pub(crate) fn check_names(owner: &str, columns: &Schema) -> Result<(), EngineError> {
    match PLACE_COLUMNS.iter().find(|name| columns.index_of(name).is_ok()) {
        Some(name) => {
            let problem =
                format!("no column may be called \"{name}\", which tells where in its stream a row is; rename it");
            Err(EngineError::declaration(owner, problem))
        }
        None => Ok(()),
    }
}

impl StreamPlan {
    /// Looks at the file of a declared stream, if it has one.
    pub fn new(dir: &Path, config: StreamConfig) -> Result<Self, EngineError> {
        let owner = format!("stream \"{}\"", config.name);
        let required = config.key.as_deref().map(|key| (key, "key")).into_iter().collect();
        let wanted = Wanted { event_time: config.event_time.as_deref(), required, overrides: &config.schema };
        let shape = config.source.as_ref().map(|source| look(dir, source, &wanted)).transpose();
        let shape = shape.map_err(|problem| EngineError::declaration(&owner, problem))?;
        shape.as_ref().map_or(Ok(()), |shape| check_names(&owner, shape.schema()))?;
        Ok(Self { config, shape })
    }

    /// The stream to create, when its columns are known: a stream without a file gets them from its writer.
    pub fn spec(&self) -> Option<StreamSpec> {
        let shape = self.shape.as_ref()?;
        Some(StreamSpec {
            name: self.config.name.to_string(),
            partitions: self.config.partitions,
            schema: SchemaRef::clone(shape.schema()),
            event_time: self.config.event_time.clone(),
            retention: self.config.retention,
            kind: StreamKind::Stream,
        })
    }

    /// The stream for rows of its file that do not fit, where they are kept.
    pub fn dead_letters(&self) -> Option<StreamSpec> {
        let keeps = self.config.source.is_some() && self.config.on_error == OnError::DeadLetter;
        keeps.then(|| dead_letters(self.config.name.as_str()))
    }

    /// The job that fills it; none when it has no file or is filled.
    pub fn job(&self, context: &IngestContext) -> Result<Option<JobSpec>, EngineError> {
        let (Some(shape), Some(source), Some(spec)) = (&self.shape, &self.config.source, self.spec()) else {
            return Ok(None);
        };
        let owner = format!("stream \"{}\"", self.config.name);
        let partitioning = match &self.config.key {
            None => Partitioning::Runs(self.config.partitions),
            Some(key) => key_partitioning(shape, key, self.config.partitions)
                .map_err(|problem| EngineError::declaration(&owner, problem))?,
        };
        let settings = self.settings(source, shape);
        let (speed, on_error) = (context.speed.unwrap_or(source.speed), self.config.on_error);
        let fill = Fill { owner, source, shape, settings, partitioning, on_error, target: spec, speed };
        fill.job(context)
    }

    /// What is another than when its file was read to the end, for people; none when nothing is, or there is more to read.
    pub fn changes_since_read(&self, store: &Store) -> Option<String> {
        let (shape, source) = (self.shape.as_ref()?, self.config.source.as_ref()?);
        changes_since_read(store, self.config.name.as_str(), source, shape, self.settings(source, shape))
    }

    fn settings(&self, source: &FileSourceConfig, shape: &FileShape) -> Settings {
        let mut settings = file_settings(source, shape, &self.config.schema);
        settings.insert("partitions".to_owned(), self.config.partitions.to_string());
        settings.extend(self.config.key.clone().map(|key| ("key".to_owned(), key)));
        settings.extend(self.config.event_time.clone().map(|column| ("event_time".to_owned(), column)));
        settings
    }
}

impl TablePlan {
    /// Looks at the file of a declared table, if it has one.
    pub fn new(dir: &Path, config: TableConfig) -> Result<Self, EngineError> {
        let owner = format!("table \"{}\"", config.name);
        let required = config.key.columns().iter().map(|key| (key.as_str(), "key")).collect();
        let wanted = Wanted { event_time: None, required, overrides: &config.schema };
        let shape = config.source.as_ref().map(|source| look(dir, source, &wanted)).transpose();
        Ok(Self { shape: shape.map_err(|problem| EngineError::declaration(&owner, problem))?, config })
    }

    /// The table to create, when its columns are known.
    pub fn spec(&self) -> Option<TableSpec> {
        Some(TableSpec {
            name: self.config.name.to_string(),
            key: self.config.key.columns().to_vec(),
            schema: SchemaRef::clone(self.shape.as_ref()?.schema()),
            backend: self.config.backend,
        })
    }

    /// The stream for rows of its file that do not fit, where they are kept.
    pub fn dead_letters(&self) -> Option<StreamSpec> {
        let keeps = self.config.source.is_some() && self.config.on_error == OnError::DeadLetter;
        keeps.then(|| dead_letters(self.config.name.as_str()))
    }

    /// The job that fills it; none when it has no file or is filled.
    pub fn job(&self, table: &Arc<Table>, context: &IngestContext) -> Result<Option<JobSpec>, EngineError> {
        let (Some(shape), Some(source)) = (&self.shape, &self.config.source) else { return Ok(None) };
        let owner = format!("table \"{}\"", self.config.name);
        let target = table.changelog_spec();
        let partitioning = Partitioning::Runs(1);
        let settings = self.settings(source, shape);
        // How fast a run replays its streams is no matter of its tables: agents wait for them.
        let (speed, on_error) = (source.speed, self.config.on_error);
        let fill = Fill { owner, source, shape, settings, partitioning, on_error, target, speed };
        let Some(mut job) = fill.job(context)? else { return Ok(None) };
        let table = Arc::clone(table);
        job.on_commit = Some(crate::sink::apply_to(table, &context.registry));
        Ok(Some(job))
    }

    /// As [`StreamPlan::changes_since_read`].
    pub fn changes_since_read(&self, store: &Store) -> Option<String> {
        let (shape, source) = (self.shape.as_ref()?, self.config.source.as_ref()?);
        changes_since_read(store, self.config.name.as_str(), source, shape, self.settings(source, shape))
    }

    fn settings(&self, source: &FileSourceConfig, shape: &FileShape) -> Settings {
        let mut settings = file_settings(source, shape, &self.config.schema);
        settings.insert("key".to_owned(), self.config.key.columns().join(", "));
        settings
    }
}

/// Looks at a file, and for the column it is to be sorted by.
fn look(dir: &Path, source: &FileSourceConfig, wanted: &Wanted<'_>) -> Result<FileShape, String> {
    let shape = probe(dir, source, wanted)?;
    order_of(source, &shape)?;
    Ok(shape)
}

/// The column a file is to be sorted by.
fn order_of(source: &FileSourceConfig, shape: &FileShape) -> Result<Option<usize>, String> {
    let column = source.order_by.as_deref().map(|column| shape.column(column)).transpose();
    column.map_err(|problem| format!("source.order_by: {problem}"))
}

/// Settings of any file source that decide which rows there are and in which order. A position in a file holds good for
/// these alone.
fn file_settings(source: &FileSourceConfig, shape: &FileShape, schema: &BTreeMap<String, String>) -> Settings {
    let pairs = |map: &BTreeMap<String, String>| {
        map.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
    };
    let mut settings = Settings::from([("source.format".to_owned(), format!("{:?}", shape.format()).to_lowercase())]);
    settings.extend(source.order_by.clone().map(|column| ("source.order_by".to_owned(), column)));
    for (name, map) in [("source.derive", &source.derive), ("schema", schema)] {
        if !map.is_empty() {
            settings.insert(name.to_owned(), format!("{{{}}}", pairs(map)));
        }
    }
    settings
}

/// Where a source stands that has committed before.
fn stored_position(store: &Store, agent: &str) -> Result<Option<FilePosition>, String> {
    let Some(record) = store.last_commit(agent) else { return Ok(None) };
    let unreadable = |problem: &str| {
        format!(
            "how far its file was read cannot be told from commit {} ({problem}); start afresh with --fresh",
            record.epoch
        )
    };
    let extra = source_extra(&record).ok_or_else(|| unreadable("it holds no position"))?;
    serde_json::from_value(extra.clone()).map(Some).map_err(|error| unreadable(&error.to_string()))
}

fn changes_since_read(
    store: &Store,
    relation: &str,
    source: &FileSourceConfig,
    shape: &FileShape,
    settings: Settings,
) -> Option<String> {
    let agent = source_agent(relation);
    store.last_commit(&agent).filter(|commit| commit.finished)?;
    // Nothing depends on a position behind which nothing is read: one that cannot be read is as good as none.
    let then = stored_position(store, &agent).ok()??.file;
    let file = source.file.display();
    let now = match Fingerprint::of(&shape.path, settings) {
        Ok(now) => now,
        Err(problem) => return Some(format!("{file} cannot be read any more: {problem}")),
    };
    let changes = now.changes_since(&then)?;
    let what = if now.is_of_another_file(&then) { "has changed since it was read" } else { "was read in another way" };
    Some(format!("{file} {what} ({changes})"))
}

fn key_partitioning(shape: &FileShape, key: &str, partitions: u32) -> Result<Partitioning, String> {
    let column = shape.column(key)?;
    let data_type = shape.schema().field(column).data_type().clone();
    let hash = KeyHash::new(&[data_type], partitions).map_err(|error| format!("key: {error}"))?;
    Ok(Partitioning::Key(hash, column))
}

/// One file filling one stream.
struct Fill<'a> {
    owner: String,
    source: &'a FileSourceConfig,
    shape: &'a FileShape,
    settings: Settings,
    partitioning: Partitioning,
    on_error: OnError,
    target: StreamSpec,
    speed: Speed,
}

impl Fill<'_> {
    fn job(self, context: &IngestContext) -> Result<Option<JobSpec>, EngineError> {
        let owner = self.owner.clone();
        let relation = self.target.name.trim_end_matches(".changelog").to_owned();
        let agent = source_agent(&relation);
        // What has become of the file of a finished source does not matter.
        if context.store.last_commit(&agent).is_some_and(|commit| commit.finished) {
            return Ok(None);
        }
        let declared = |problem| EngineError::declaration(&owner, problem);
        let order_by = order_of(self.source, self.shape).map_err(declared)?;
        let spec = FileSourceSpec {
            owner: owner.clone(),
            shape: self.shape.clone(),
            speed: self.speed,
            order_by,
            on_error: self.on_error,
            partitioning: self.partitioning,
            memory: context.sort_memory.clone(),
            settings: self.settings,
            clock: SharedClock::clone(&context.clock),
        };
        let done = stored_position(&context.store, &agent).map_err(declared)?;
        let source = FileSource::open(spec, done).map_err(|error| EngineError::Job { owner: owner.clone(), error })?;
        let sinks =
            sinks(context, &self.target, &relation, &agent, self.on_error).map_err(EngineError::store(&owner))?;
        let stats = Arc::new(JobStats::new(&[], 1));
        let metrics = JobMetrics::bind(&context.registry, &agent, &relation);
        let chain = ChainContext {
            agent: Arc::from(agent.as_str()),
            stream: Arc::from(relation.as_str()),
            stats: Arc::clone(&stats),
            metrics: metrics.clone(),
            spans: context.spans.clone(),
            clock: SharedClock::clone(&context.clock),
        };
        let chain = Chain::new(Vec::new(), 0, chain);
        Ok(Some(JobSpec {
            agent,
            generation: 1,
            first: vec![(Box::new(source), StageSpec { chain, sinks })],
            second: None,
            stats,
            metrics,
            on_commit: None,
            before_finish: None,
            options: context.options,
        }))
    }
}

fn sinks(
    context: &IngestContext,
    spec: &StreamSpec,
    relation: &str,
    agent: &str,
    on_error: OnError,
) -> Result<BTreeMap<Route, Box<dyn Sink>>, sabot_store::StoreError> {
    let target = |spec: StreamSpec, lazy: bool| Target {
        store: Arc::clone(&context.store),
        spec,
        owner: agent.to_owned(),
        spans: context.spans.clone(),
        clock: SharedClock::clone(&context.clock),
        lazy,
    };
    let mut sinks: BTreeMap<Route, Box<dyn Sink>> = BTreeMap::new();
    sinks.insert(Route::Main, Box::new(StreamSink::open(target(spec.clone(), false))?));
    if on_error == OnError::DeadLetter {
        sinks.insert(Route::Dead, Box::new(StreamSink::open(target(dead_letters(relation), true))?));
    }
    Ok(sinks)
}
