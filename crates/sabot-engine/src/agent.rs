//! An agent: from its declaration to a running job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use sabot_common::clock::SharedClock;
use sabot_common::config::{AgentConfig, BusinessMetric, LateTo, Output, Retention};
use sabot_runtime::exchange::Partitioner;
use sabot_runtime::{
    BeforeFinish, Chain, ChainContext, JobMetrics, JobOptions, JobSpec, JobStats, OnCommit, Operator, Route, Sink,
    SinkTracer, Source, StageSpec,
};
use sabot_sql::{Aggregation, Plan, Planner, Relation, Step};
use sabot_store::{CommitRecord, Disk, Store, StreamKind, StreamSpec, Table, TableSpec};
use sabot_telemetry::{Registry, Spans};

use crate::ingest::check_names;
use crate::operator::{FilterProject, LookupJoin, Window, WindowSpec};
use crate::partition::{GroupPartitioner, KeyHash, Ownership};
use crate::sink::{Blackhole, Console, JsonLines, StreamSink, Target, apply_to, check_parquet, write_parquet};
use crate::source::intake::Intake;
use crate::source::lateness::LatenessRule;
use crate::source::observe::Observer;
use crate::source::stream::{StreamSource, StreamSourceSpec};
use crate::{EngineError, OperatorMetrics};

/// An agent whose SQL is planned against the relations there are.
#[derive(Debug)]
pub struct AgentPlan {
    /// The declaration.
    pub config: AgentConfig,
    /// The query.
    pub plan: Plan,
    /// Partitions of the input.
    input_partitions: u32,
    /// The input's columns, which late rows have.
    input: StreamSpec,
    /// How long rows of its output streams stay, by stream.
    retention: BTreeMap<String, Retention>,
}

/// What building an agent's job needs beside its plan.
#[derive(Clone)]
pub struct AgentContext {
    /// Streams, tables and commits.
    pub store: Arc<Store>,
    /// The disk files are written to.
    pub disk: Arc<dyn Disk>,
    /// The project's directory, which output files are relative to.
    pub dir: PathBuf,
    /// Metrics.
    pub registry: Registry,
    /// Spans.
    pub spans: Spans,
    /// Time.
    pub clock: SharedClock,
    /// Pace of commits.
    pub options: JobOptions,
}

impl AgentPlan {
    /// Plans an agent. `streams` are the specs of the streams there are, by name.
    pub fn new(
        config: AgentConfig,
        relations: Vec<Relation>,
        streams: &BTreeMap<String, StreamSpec>,
    ) -> Result<Self, EngineError> {
        let owner = owner_of(&config);
        let plan = Planner::new(relations).plan(&config.sql).map_err(EngineError::sql(&owner))?;
        let input = streams.get(&plan.scan.relation).cloned().ok_or_else(|| {
            EngineError::declaration(&owner, format!("stream \"{}\" does not exist", plan.scan.relation))
        })?;
        let planned = Self { config, input_partitions: input.partitions, input, plan, retention: BTreeMap::new() };
        planned.check(&owner)?;
        Ok(planned)
    }

    /// The same with the retention that its output streams are declared with.
    #[must_use]
    pub fn with_retention(mut self, of_stream: impl Fn(&str) -> Option<Retention>) -> Self {
        let named = [self.output_stream(), self.late_stream()].into_iter().flatten().map(|spec| spec.name);
        self.retention = named.filter_map(|name| Some((name.clone(), of_stream(&name)?))).collect();
        self
    }

    fn check(&self, owner: &str) -> Result<(), EngineError> {
        let refuse = |problem: String| Err(EngineError::declaration(owner, problem));
        if let Output::Table { key, .. } = &self.config.output {
            for column in key.columns() {
                if self.plan.schema.index_of(column).is_err() {
                    let columns = self.plan.schema.fields().iter().map(|f| f.name().as_str());
                    let near = sabot_common::suggest::hint(column, columns);
                    return refuse(format!("output.key: column \"{column}\" is not in the result{near}"));
                }
            }
        }
        if matches!(self.config.output, Output::Stream { .. }) {
            check_names(owner, &self.plan.schema)?;
        }
        if let Output::File(path) = &self.config.output
            && sabot_common::config::FileFormat::of_path(path)
                .is_none_or(|f| f == sabot_common::config::FileFormat::Csv)
        {
            return refuse(format!("output.file: {} must end in .parquet or .jsonl", path.display()));
        }
        if let Output::File(path) = &self.config.output
            && staged(&self.config, path).is_some()
        {
            check_parquet(&self.plan.schema).or_else(|problem| refuse(format!("output.file: {problem}")))?;
        }
        let late_matters = self.config.late != sabot_common::config::Late::default();
        if late_matters && self.plan.aggregation().is_none() {
            return refuse("late: the query has no window, so no row is late; drop `late`".to_owned());
        }
        Ok(())
    }

    /// Partitions of the output.
    fn output_partitions(&self) -> u32 {
        match self.config.output {
            Output::Stream { partitions: Some(partitions), .. } => partitions.max(1),
            Output::Stream { .. } | Output::Blackhole => self.input_partitions,
            // One file, one changelog, one console.
            Output::Table { .. } | Output::File(_) | Output::Console => 1,
        }
    }

    /// Parallel instances that have something to do. A partition of the output has one writer: behind an exchange that
    /// is the instance that owns its keys; without one an instance keeps the partitions it reads apart only when their
    /// number divides that of the output's. One file, one table and one group of rows have one writer.
    pub fn instances(&self) -> u32 {
        let (inputs, outputs) = (self.input_partitions, self.output_partitions());
        let wanted = self.config.count.min(inputs).min(outputs).max(1);
        match self.plan.aggregation() {
            Some(aggregation) if aggregation.key_count() == 0 => 1,
            Some(_) => wanted,
            None if outputs >= inputs => wanted,
            None => (1..=wanted).rev().find(|count| outputs.is_multiple_of(*count)).unwrap_or(1),
        }
    }

    /// What a user should know about a plan that is valid.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let (wanted, instances) = (self.config.count, self.instances());
        if wanted > instances {
            warnings.push(format!("count: {wanted} instances were asked for, {instances} have something to do"));
        }
        if matches!(self.config.output, Output::Console) {
            let again = "rows since the last commit come again after a crash";
            warnings.push(format!("output: console is at-least-once: {again}"));
        }
        if self.plan.aggregation().is_none() && self.output_partitions() < self.input_partitions {
            let (from, to) = (self.input_partitions, self.output_partitions());
            warnings.push(match &self.config.output {
                Output::Table { key, .. } => format!(
                    "output: rows come from {from} partitions; where two have the same key ({}) the one that is read \
                     last stays; give stream \"{}\" that key, or one partition",
                    key.columns().join(", "),
                    self.plan.scan.relation
                ),
                _ => format!("output: rows of {from} partitions go to {to}; those of different ones are in no order"),
            });
        }
        warnings
    }

    /// The stream its results go to, if they go to one that others can read.
    pub fn output_stream(&self) -> Option<StreamSpec> {
        let Output::Stream { name, .. } = &self.config.output else { return None };
        Some(self.stream_spec(name.as_str(), self.event_time(), SchemaRef::clone(&self.plan.schema)))
    }

    /// The table its results go to.
    pub fn output_table(&self) -> Option<TableSpec> {
        let Output::Table { name, key, backend } = &self.config.output else { return None };
        Some(TableSpec {
            name: name.to_string(),
            key: key.columns().to_vec(),
            schema: SchemaRef::clone(&self.plan.schema),
            backend: *backend,
        })
    }

    /// The stream its late rows go to.
    pub fn late_stream(&self) -> Option<StreamSpec> {
        let LateTo::Stream(name) = &self.config.late.to else { return None };
        let input = &self.input;
        let retention = self.retention.get(name.as_str()).copied();
        Some(StreamSpec { name: name.to_string(), retention, ..input.clone() })
    }

    fn stream_spec(&self, name: &str, event_time: Option<String>, schema: SchemaRef) -> StreamSpec {
        StreamSpec {
            name: name.to_owned(),
            partitions: self.output_partitions(),
            schema,
            event_time,
            retention: self.retention.get(name).copied(),
            kind: StreamKind::Stream,
        }
    }

    /// The result's event time: the window's start, or the input's own column where it is passed on.
    fn event_time(&self) -> Option<String> {
        let wanted = match self.plan.aggregation() {
            Some(_) => sabot_sql::WINDOW_START,
            None => self.input.event_time.as_deref()?,
        };
        let field = self.plan.schema.field_with_name(wanted).ok()?;
        (field.data_type() == &sabot_sql::event_time_type()).then(|| wanted.to_owned())
    }

    /// Builds the job, at the point its last commit left it.
    pub fn job(
        &self,
        generation: u64,
        tables: &BTreeMap<String, Arc<Table>>,
        context: &AgentContext,
    ) -> Result<JobSpec, EngineError> {
        let builder = Builder { plan: self, generation, tables, context, owner: owner_of(&self.config) };
        builder.job(builder.stream_sources()?)
    }

    /// The same over other sources than the stream the SQL names, one per parallel instance. They give rows of that
    /// stream, through [`AgentPlan::intake`].
    pub fn job_with_sources(
        &self,
        generation: u64,
        sources: Vec<Box<dyn Source>>,
        tables: &BTreeMap<String, Arc<Table>>,
        context: &AgentContext,
    ) -> Result<JobSpec, EngineError> {
        Builder { plan: self, generation, tables, context, owner: owner_of(&self.config) }.job(sources)
    }

    /// What happens to rows on their way in; its metrics are bound to `registry`.
    pub fn intake(&self, registry: &Registry) -> Result<Intake, EngineError> {
        let owner = owner_of(&self.config);
        let compile = |metric: &BusinessMetric| {
            Observer::compile(metric, &self.input.schema, registry)
                .map_err(EngineError::sql(&format!("{owner}: metric \"{}\"", metric.name)))
        };
        let observers = self.config.metrics.iter().map(compile).collect::<Result<_, _>>()?;
        let scan = self.plan.scan.clone();
        let lateness = self.plan.aggregation().and(scan.window).map(|window| LatenessRule {
            column: window.time_column,
            bound_micros: self.config.watermark.micros(),
            allowed_micros: self.config.late.allowed.micros(),
        });
        let leading_filters = self.plan.leading_filters().cloned().collect();
        Ok(Intake { scan, lateness, leading_filters, observers: Arc::new(observers) })
    }
}

fn owner_of(config: &AgentConfig) -> String {
    format!("agent \"{}\"", config.name)
}

/// Puts one agent's job together.
struct Builder<'a> {
    plan: &'a AgentPlan,
    generation: u64,
    tables: &'a BTreeMap<String, Arc<Table>>,
    context: &'a AgentContext,
    owner: String,
}

impl Builder<'_> {
    fn job(&self, sources: Vec<Box<dyn Source>>) -> Result<JobSpec, EngineError> {
        let agent = self.plan.config.name.to_string();
        let record = self.context.store.last_commit(&agent);
        let instances = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        let exchanged = instances > 1 && self.plan.plan.aggregation().is_some();
        let (before, after) = self.steps_around_exchange(exchanged);
        let metrics = JobMetrics::bind(&self.context.registry, &agent, &self.plan.plan.scan.relation);
        let first_names = names(&self.operators(before, None)?);
        let second_names = if exchanged { names(&self.operators(after, None)?) } else { Vec::new() };
        let stats = Arc::new(JobStats::new(&[first_names.clone(), second_names].concat(), sources.len()));
        let shared = self.chain_context(&stats, &metrics);
        let chain = |operators, first_stat| Chain::new(operators, first_stat, shared.clone());
        let mut first: Vec<(Box<dyn Source>, StageSpec)> = Vec::new();
        let mut second = Vec::new();
        for (instance, source) in (0..instances).zip(sources) {
            let mut sinks = self.late_sink()?;
            if !exchanged {
                sinks.extend(self.main_sink(record.as_ref())?);
            }
            let ownership = exchanged.then_some(Ownership { instance, instances });
            first.push((source, StageSpec { chain: chain(self.operators(before, None)?, 0), sinks }));
            if exchanged {
                let operators = self.operators(after, ownership)?;
                second.push(StageSpec {
                    chain: chain(operators, first_names.len()),
                    sinks: self.main_sink(record.as_ref())?,
                });
            }
        }
        let second = if exchanged { Some((self.partitioners(instances)?, second)) } else { None };
        let (options, generation) = (self.context.options, self.generation);
        let (on_commit, before_finish) = (self.on_commit(), self.before_finish());
        Ok(JobSpec { agent, generation, first, second, stats, metrics, on_commit, before_finish, options })
    }

    /// The steps before and from the aggregation on; without an exchange all are before.
    fn steps_around_exchange(&self, exchanged: bool) -> (&[Step], &[Step]) {
        let steps = self.plan.plan.steps.as_slice();
        let at = steps.iter().position(|step| matches!(step, Step::Aggregate(_))).filter(|_| exchanged);
        steps.split_at(at.unwrap_or(steps.len()))
    }

    fn chain_context(&self, stats: &Arc<JobStats>, metrics: &JobMetrics) -> ChainContext {
        ChainContext {
            agent: Arc::from(self.plan.config.name.as_str()),
            stream: Arc::from(self.plan.plan.scan.relation.as_str()),
            stats: Arc::clone(stats),
            metrics: metrics.clone(),
            spans: self.context.spans.clone(),
            clock: SharedClock::clone(&self.context.clock),
        }
    }

    fn tracer(&self) -> SinkTracer {
        let output = self.plan.config.output.to_string();
        SinkTracer::new(self.context.spans.clone(), self.plan.config.name.as_str(), &output)
    }

    /// One per parallel instance, where the last commit left them.
    fn stream_sources(&self) -> Result<Vec<Box<dyn Source>>, EngineError> {
        let record = self.context.store.last_commit(self.plan.config.name.as_str());
        let instances = self.plan.instances();
        let intake = self.plan.intake(&self.context.registry)?;
        let open = |instance: u32| {
            let spec = StreamSourceSpec {
                store: Arc::clone(&self.context.store),
                partitions: (0..self.plan.input_partitions).filter(|p| p % instances == instance).collect(),
                intake: intake.clone(),
            };
            let source = StreamSource::open(spec, record.as_ref()).map_err(EngineError::store(&self.owner))?;
            Ok(Box::new(source) as Box<dyn Source>)
        };
        (0..instances).map(open).collect()
    }

    /// Operators for a run of steps; neighbouring filters and projections are fused.
    fn operators(&self, steps: &[Step], ownership: Option<Ownership>) -> Result<Vec<Box<dyn Operator>>, EngineError> {
        let mut operators: Vec<Box<dyn Operator>> = Vec::new();
        let mut filters = Vec::new();
        let mut ownership = ownership;
        for step in steps {
            let flushed = std::mem::take(&mut filters);
            match step {
                Step::Filter(predicate) => {
                    filters = flushed;
                    filters.push(predicate.clone());
                    continue;
                }
                Step::Project { exprs, schema } => {
                    let projection = Some((exprs.clone(), SchemaRef::clone(schema)));
                    operators.push(Box::new(FilterProject::new(flushed, projection)));
                    continue;
                }
                Step::Lookup(_) | Step::Aggregate(_) if !flushed.is_empty() => {
                    operators.push(Box::new(FilterProject::new(flushed, None)));
                }
                Step::Lookup(_) | Step::Aggregate(_) => {}
            }
            match step {
                Step::Lookup(lookup) => operators.push(Box::new(self.lookup(lookup)?)),
                Step::Aggregate(aggregation) => operators.push(Box::new(self.window(aggregation, ownership.take())?)),
                Step::Filter(_) | Step::Project { .. } => {}
            }
        }
        if !filters.is_empty() {
            operators.push(Box::new(FilterProject::new(filters, None)));
        }
        Ok(operators)
    }

    fn lookup(&self, lookup: &sabot_sql::Lookup) -> Result<LookupJoin, EngineError> {
        let table = self.tables.get(&lookup.table).map(Arc::clone).ok_or_else(|| {
            EngineError::declaration(&self.owner, format!("table \"{}\" does not exist", lookup.table))
        })?;
        let metrics = OperatorMetrics::bind(&self.context.registry, self.plan.config.name.as_str());
        let metrics = metrics.join(lookup.kind, table.backend().as_str());
        Ok(LookupJoin::new(lookup.clone(), table, metrics, SharedClock::clone(&self.context.clock)))
    }

    fn window(&self, aggregation: &Arc<Aggregation>, ownership: Option<Ownership>) -> Result<Window, EngineError> {
        let window = self
            .plan
            .plan
            .scan
            .window
            .ok_or_else(|| EngineError::declaration(&self.owner, "the aggregation has no window"))?;
        let metrics = OperatorMetrics::bind(&self.context.registry, self.plan.config.name.as_str());
        let spec = WindowSpec {
            aggregation: Arc::clone(aggregation),
            window,
            allowed_micros: self.plan.config.late.allowed.micros(),
            hash: self.key_hash(aggregation)?,
            ownership,
            duration: metrics.aggregation,
            clock: SharedClock::clone(&self.context.clock),
        };
        Window::new(spec).map_err(|error| EngineError::Job { owner: self.owner.clone(), error })
    }

    fn key_hash(&self, aggregation: &Aggregation) -> Result<KeyHash, EngineError> {
        let groups = aggregation.group_columns().iter().zip(aggregation.schema().fields());
        let types: Vec<DataType> =
            groups.filter(|(end, _)| end.is_none()).map(|(_, f)| f.data_type().clone()).collect();
        KeyHash::new(&types, self.plan.output_partitions()).map_err(|error| {
            EngineError::declaration(&self.owner, format!("these columns cannot be grouped by: {error}"))
        })
    }

    fn partitioners(&self, instances: u32) -> Result<Vec<Box<dyn Partitioner>>, EngineError> {
        let mut partitioners: Vec<Box<dyn Partitioner>> = Vec::new();
        for _ in 0..instances {
            let Some(aggregation) = self.plan.plan.aggregation() else { continue };
            let hash = self.key_hash(aggregation)?;
            partitioners.push(Box::new(GroupPartitioner::new(Arc::clone(aggregation), hash, instances)));
        }
        Ok(partitioners)
    }

    fn target(&self, spec: StreamSpec, lazy: bool) -> Target {
        Target {
            store: Arc::clone(&self.context.store),
            spec,
            owner: self.plan.config.name.to_string(),
            spans: self.context.spans.clone(),
            clock: SharedClock::clone(&self.context.clock),
            lazy,
        }
    }

    fn late_sink(&self) -> Result<BTreeMap<Route, Box<dyn Sink>>, EngineError> {
        let mut sinks: BTreeMap<Route, Box<dyn Sink>> = BTreeMap::new();
        if let Some(spec) = self.plan.late_stream() {
            let sink = StreamSink::open(self.target(spec, false)).map_err(EngineError::store(&self.owner))?;
            sinks.insert(Route::Late, Box::new(sink));
        }
        Ok(sinks)
    }

    fn main_sink(&self, record: Option<&CommitRecord>) -> Result<BTreeMap<Route, Box<dyn Sink>>, EngineError> {
        let stream = |spec| StreamSink::open(self.target(spec, false)).map_err(EngineError::store(&self.owner));
        let sink: Box<dyn Sink> = match &self.plan.config.output {
            Output::Blackhole => Box::new(Blackhole::new(self.tracer())),
            Output::Console => Box::new(Console::new(self.tracer())),
            Output::Stream { name, .. } => {
                let spec = self.plan.output_stream();
                Box::new(stream(
                    spec.ok_or_else(|| EngineError::declaration(&self.owner, format!("no stream {name}")))?,
                )?)
            }
            Output::Table { name, .. } => {
                let table = self
                    .tables
                    .get(name.as_str())
                    .ok_or_else(|| EngineError::declaration(&self.owner, format!("table \"{name}\" does not exist")))?;
                Box::new(stream(table.changelog_spec())?)
            }
            Output::File(path) => match staged(&self.plan.config, path) {
                Some(staged) => {
                    Box::new(stream(self.plan.stream_spec(&staged, None, SchemaRef::clone(&self.plan.plan.schema)))?)
                }
                None => Box::new(self.json_lines(path, record)?),
            },
        };
        Ok(BTreeMap::from([(Route::Main, sink)]))
    }

    fn json_lines(&self, path: &Path, record: Option<&CommitRecord>) -> Result<JsonLines, EngineError> {
        let committed = record.and_then(|record| record.files.iter().find(|file| file.path == path));
        let (disk, project) = (&self.context.disk, &self.context.dir);
        JsonLines::open(disk, project, path, committed.map(|file| file.bytes), self.tracer())
            .map_err(EngineError::store(&self.owner))
    }

    /// What follows a commit: a table takes its changelog in.
    fn on_commit(&self) -> Option<OnCommit> {
        let Output::Table { name, .. } = &self.plan.config.output else { return None };
        Some(apply_to(Arc::clone(self.tables.get(name.as_str())?), &self.context.registry))
    }

    /// What has to be there before the agent counts as finished: a Parquet file.
    fn before_finish(&self) -> Option<BeforeFinish> {
        let Output::File(path) = &self.plan.config.output else { return None };
        let stream = staged(&self.plan.config, path)?;
        let (store, disk) = (Arc::clone(&self.context.store), Arc::clone(&self.context.disk));
        let (project, path) = (self.context.dir.clone(), path.clone());
        Some(Arc::new(move || write_parquet(&store, &disk, &stream, &project, &path)))
    }
}

/// The stream in which rows of a file that is written at the end wait.
fn staged(config: &AgentConfig, path: &Path) -> Option<String> {
    let parquet = sabot_common::config::FileFormat::of_path(path) == Some(sabot_common::config::FileFormat::Parquet);
    parquet.then(|| format!("{}.file", config.name))
}

fn names(operators: &[Box<dyn Operator>]) -> Vec<&'static str> {
    operators.iter().map(|operator| operator.name()).collect()
}
