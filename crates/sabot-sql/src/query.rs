//! Ad-hoc SQL over streams, tables and telemetry, within limits of memory, rows and time.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use sabot_common::suggest;

use crate::SqlError;
use crate::planner::{dotted, register_as, session_config};

mod parquet;
mod partition;

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
    /// An engine over `relations` whose queries together hold at most `memory_bytes` and spill under `spill_dir`.
    pub fn new(relations: Arc<dyn Relations>, memory_bytes: usize, spill_dir: PathBuf) -> Result<Self, SqlError> {
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![spill_dir]));
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

    /// Runs one read-only statement.
    pub async fn query(&self, sql: &str, limits: QueryLimits) -> Result<QueryResult, SqlError> {
        let seconds = limits.timeout.as_secs_f64();
        tokio::time::timeout(limits.timeout, self.run(sql, limits.max_rows)).await.unwrap_or_else(|_elapsed| {
            Err(SqlError::Limit(format!("the query ran longer than {seconds} s; narrow it or allow more time")))
        })
    }

    async fn run(&self, sql: &str, max_rows: usize) -> Result<QueryResult, SqlError> {
        let planning = |error: DataFusionError| SqlError::planning(&error);
        let config = session_config();
        let config = match self.parallelism {
            Some(partitions) => config.with_target_partitions(partitions),
            None => config,
        };
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime));
        let state = context.state();
        let statement = state.sql_to_statement(sql, &state.config_options().sql_parser.dialect).map_err(planning)?;
        for reference in state.resolve_table_references(&statement).map_err(planning)? {
            let name = dotted(&reference);
            let source = self.relations.resolve(&name).ok_or_else(|| self.unknown(&name))?;
            register_as(&context, &reference, provider(source).map_err(planning)?).map_err(planning)?;
        }
        let plan = state.statement_to_plan(statement).await.map_err(planning)?;
        let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        read_only.verify_plan(&plan).map_err(planning)?;
        let frame = context.execute_logical_plan(plan).await.map_err(planning)?;
        collect(frame, max_rows).await.map_err(|error| SqlError::evaluating(&error))
    }

    fn unknown(&self, name: &str) -> SqlError {
        let names = self.relations.names();
        let near = suggest::hint(name, names.iter().map(String::as_str));
        SqlError::Plan { message: format!("stream or table \"{name}\" does not exist{near}"), at: None }
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

async fn collect(frame: datafusion::dataframe::DataFrame, max_rows: usize) -> Result<QueryResult, DataFusionError> {
    // One row more than allowed tells a full result from a truncated one, and lets the plan stop early. An explanation
    // must stay the root of its plan, and is short.
    let explains = matches!(frame.logical_plan(), LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let frame = if explains { frame } else { frame.limit(0, Some(max_rows.saturating_add(1)))? };
    let mut stream = frame.execute_stream().await?;
    let schema = stream.schema();
    let mut batches = Vec::new();
    let mut left = max_rows;
    let mut truncated = false;
    while let Some(batch) = stream.next().await.transpose()? {
        truncated |= batch.num_rows() > left;
        let kept = batch.slice(0, batch.num_rows().min(left));
        left -= kept.num_rows();
        batches.push(kept);
    }
    Ok(QueryResult { schema, batches, truncated })
}
