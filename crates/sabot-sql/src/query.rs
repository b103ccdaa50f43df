//! Ad-hoc SQL over streams, tables and telemetry, within limits of memory, rows and time.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Parsed;
use futures::StreamExt;
use sabot_common::suggest;
use tokio::time::Instant;

use crate::bounded::check_constants;
use crate::planner::{check_depth, dotted, is_of_catalog, register_as, session_config, with_functions};
use crate::{SqlError, distinct, expansion};

mod condition;
mod deadline;
mod parquet;
mod partition;
mod pauses;

pub use condition::check_condition;
use deadline::with_deadline;
use pauses::with_pauses;

/// Longer than anybody waits.
const LONGEST: Duration = Duration::from_hours(24 * 365);
/// How much more than their memory queries may spill: a disk they fill would stop agents.
const SPILL_SHARE: u64 = 8;
const ONLY_READS: &str = "a query only reads: write one SELECT; streams and tables are declared in a project's files";
const NO_TUMBLE: &str = "TUMBLE is for agents; in a query bin the time, as in SELECT date_bin(INTERVAL '1 hour', time_column) \
                         AS hour, count(*) FROM stream_name GROUP BY hour";
const NO_CATALOG: &str = "queries have neither SHOW nor information_schema; `sabot streams list` and `sabot tables list` tell \
                          what there is, and DESCRIBE which columns a stream or table has";

/// What a query may read, by name.
pub trait Relations: Send + Sync {
    /// The relation of this name.
    fn resolve(&self, name: &str) -> Option<RowSource>;

    /// All names, for "did you mean".
    fn names(&self) -> Vec<String>;
}

/// The rows of a relation.
#[derive(Clone, Debug)]
pub struct RowSource {
    /// Its columns.
    pub schema: SchemaRef,
    /// Where the rows are.
    pub kind: RowSourceKind,
}

/// Where rows are.
#[derive(Clone)]
pub enum RowSourceKind {
    /// Readers that can run side by side.
    Partitions(Vec<PartitionReader>),
    /// Parquet files, and batches not yet in a file.
    Parquet {
        /// The files.
        files: Vec<PathBuf>,
        /// The newest rows.
        recent: Vec<RecordBatch>,
    },
}

/// Batches one after another; an error ends them.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>;

/// Opens one partition's rows from the start.
pub type PartitionReader = Arc<dyn Fn() -> Result<Batches, String> + Send + Sync>;

impl fmt::Debug for RowSourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions(readers) => write!(f, "{} partitions", readers.len()),
            Self::Parquet { files, recent } => write!(f, "{} files, {} recent batches", files.len(), recent.len()),
        }
    }
}

/// What one query may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows returned; more are cut off and the result says so.
    pub max_rows: usize,
    /// Wall-clock time.
    pub timeout: Duration,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { max_rows: 10_000, timeout: Duration::from_secs(30) }
    }
}

/// A query's answer.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// Whether rows beyond the limit were cut off.
    pub truncated: bool,
}

/// Takes a query's rows as they come.
pub trait RowSink: Send {
    /// The columns, told once and before any rows. An error ends the query.
    fn columns(&mut self, schema: &SchemaRef) -> Result<(), SqlError>;

    /// Takes rows in. It breaks when it had no room for all of them, which ends the query; its answer is then truncated.
    fn take(&mut self, rows: &RecordBatch) -> Result<ControlFlow<()>, SqlError>;

    /// Bytes it holds, which count as memory of the query.
    fn held_bytes(&self) -> usize;
}

/// Runs queries; all share one memory pool and spill directory.
pub struct QueryEngine {
    relations: Arc<dyn Relations>,
    runtime: Arc<RuntimeEnv>,
    /// Partitions a query is spread over; none is one per core.
    parallelism: Option<usize>,
}

impl fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueryEngine")
    }
}

impl QueryEngine {
    /// An engine over `relations` whose queries together hold at most `memory_bytes` and spill at most eight times as
    /// much under `spill_dir`.
    pub fn new(relations: Arc<dyn Relations>, memory_bytes: usize, spill_dir: PathBuf) -> Result<Self, SqlError> {
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill_dir]))
            .with_max_temp_directory_size((memory_bytes as u64).saturating_mul(SPILL_SHARE));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| SqlError::evaluating(&error))?;
        Ok(Self { relations, runtime, parallelism: None })
    }

    /// Spreads each query over this many partitions instead of one per core.
    #[must_use]
    pub fn with_parallelism(self, partitions: usize) -> Self {
        Self { parallelism: Some(partitions.max(1)), ..self }
    }

    /// Runs one read-only statement and collects its rows. Like all that runs queries it belongs on threads with a stack
    /// of [`DEEP_STACK_BYTES`](crate::DEEP_STACK_BYTES).
    pub async fn query(&self, sql: &str, limits: QueryLimits) -> Result<QueryResult, SqlError> {
        let mut collected = Collected::default();
        let truncated = self.query_into(sql, limits, &mut collected).await?;
        let Collected { schema, batches, .. } = collected;
        Ok(QueryResult { schema, batches, truncated })
    }

    /// Runs one read-only statement and hands its rows on as they come; whether rows were cut off. The work ends with
    /// the future: when time is up, and when the future is dropped.
    pub async fn query_into(&self, sql: &str, limits: QueryLimits, sink: &mut dyn RowSink) -> Result<bool, SqlError> {
        let deadline = Instant::now() + limits.timeout.min(LONGEST);
        match tokio::time::timeout_at(deadline, self.run(sql, limits.max_rows, deadline, sink)).await {
            Ok(outcome) if outcome.is_ok() || Instant::now() < deadline => outcome,
            // It was told within or from without.
            _ => Err(SqlError::took_longer_than(limits.timeout)),
        }
    }

    async fn run(
        &self,
        sql: &str,
        max_rows: usize,
        deadline: Instant,
        sink: &mut dyn RowSink,
    ) -> Result<bool, SqlError> {
        check_depth(sql)?;
        let planning = |error: DataFusionError| SqlError::planning(&error);
        let config = session_config();
        let config = match self.parallelism {
            Some(partitions) => config.with_target_partitions(partitions),
            None => config,
        };
        let session = SessionStateBuilder::new().with_config(config).with_runtime_env(Arc::clone(&self.runtime));
        let context = SessionContext::new_with_state(with_functions(session));
        let state = context.state();
        let statement = state.sql_to_statement(sql, &state.config_options().sql_parser.dialect).map_err(planning)?;
        if !only_reads(&statement) {
            return Err(SqlError::unplannable(ONLY_READS));
        }
        distinct::check(&statement)?;
        expansion::check(&statement)?;
        for reference in state.resolve_table_references(&statement).map_err(planning)? {
            let name = dotted(&reference);
            let source = self.relations.resolve(&name).ok_or_else(|| self.unknown(&name))?;
            register_as(&context, &reference, provider(source).map_err(planning)?).map_err(planning)?;
        }
        let plan = state.statement_to_plan(statement).await.map_err(planning)?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(|_changes_something| SqlError::unplannable(ONLY_READS))?;
        let frame = context.execute_logical_plan(plan).await.map_err(planning)?;
        self.feed(frame, max_rows, deadline, sink).await
    }

    async fn feed(
        &self,
        frame: DataFrame,
        max_rows: usize,
        deadline: Instant,
        sink: &mut dyn RowSink,
    ) -> Result<bool, SqlError> {
        let evaluating = |error: DataFusionError| SqlError::evaluating(&error);
        // One row more than allowed tells a full answer from a truncated one, and lets the plan stop early. An
        // explanation must stay the root of its plan, and is short.
        let only_explains = matches!(frame.logical_plan(), LogicalPlan::Explain(_));
        let explains = only_explains || matches!(frame.logical_plan(), LogicalPlan::Analyze(_));
        let frame =
            if explains { frame } else { frame.limit(0, Some(max_rows.saturating_add(1))).map_err(evaluating)? };
        let (state, plan) = frame.into_parts();
        let plan = state.optimize(&plan).map_err(evaluating)?;
        check_constants(&plan).map_err(|error| SqlError::planning(&error))?;
        let plan = if only_explains { plan } else { with_deadline(plan, deadline).map_err(evaluating)? };
        let plan = state.query_planner().create_physical_plan(&plan, &state).await.map_err(evaluating)?;
        let plan = if only_explains { plan } else { with_pauses(plan).map_err(evaluating)? };
        let mut stream = execute_stream(plan, state.task_ctx()).map_err(evaluating)?;
        sink.columns(&stream.schema())?;
        let held = MemoryConsumer::new("answer").register(&self.runtime.memory_pool);
        let mut left = max_rows;
        while let Some(batch) = stream.next().await.transpose().map_err(evaluating)? {
            let kept = batch.slice(0, batch.num_rows().min(left));
            left -= kept.num_rows();
            let full = sink.take(&kept)?.is_break();
            if full || kept.num_rows() < batch.num_rows() {
                return Ok(true);
            }
            held.try_resize(sink.held_bytes()).map_err(evaluating)?;
        }
        Ok(false)
    }

    fn unknown(&self, name: &str) -> SqlError {
        if name.eq_ignore_ascii_case("tumble") {
            return SqlError::unplannable(NO_TUMBLE);
        }
        if is_of_catalog(name) {
            return SqlError::unplannable(NO_CATALOG);
        }
        let names = self.relations.names();
        let near = suggest::hint(name, names.iter().map(String::as_str));
        SqlError::unplannable(format!("stream or table \"{name}\" does not exist{near}"))
    }
}

/// Whether a statement is one that only reads, by its kind. What is inside is for the plan to tell.
fn only_reads(statement: &Statement) -> bool {
    match statement {
        Statement::Explain(_) => true,
        Statement::Statement(parsed) => match parsed.as_ref() {
            Parsed::Query(_) | Parsed::ExplainTable { .. } => true,
            other => other.to_string().starts_with("SHOW "),
        },
        _ => false,
    }
}

fn provider(source: RowSource) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    Ok(match source.kind {
        RowSourceKind::Partitions(readers) => {
            let partitions = readers.into_iter().map(|reader| partition::stream(&source.schema, reader)).collect();
            Arc::new(StreamingTable::try_new(source.schema, partitions)?)
        }
        RowSourceKind::Parquet { files, recent } => parquet::provider(source.schema, &files, recent)?,
    })
}

/// An answer that is collected.
#[derive(Debug)]
struct Collected {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Default for Collected {
    fn default() -> Self {
        Self { schema: Arc::new(Schema::empty()), batches: Vec::new(), bytes: 0 }
    }
}

impl RowSink for Collected {
    fn columns(&mut self, schema: &SchemaRef) -> Result<(), SqlError> {
        self.schema = Arc::clone(schema);
        Ok(())
    }

    fn take(&mut self, rows: &RecordBatch) -> Result<ControlFlow<()>, SqlError> {
        // What the rows take by themselves: batches of a sorted answer are parts of one large one.
        let sizes = rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0));
        self.bytes += sizes.sum::<usize>();
        self.batches.push(rows.clone());
        Ok(ControlFlow::Continue(()))
    }

    fn held_bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
