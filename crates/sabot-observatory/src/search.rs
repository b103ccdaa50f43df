//! Questions about traces: search, one trace, and what there is to search for.
//!
//! A trace is found when one of its spans fulfils all conditions on spans together. The trace as a whole is then measured:
//! it starts with its first span, and lasts as long as its root (the earliest, if it has several) or, without a root, from
//! its first start to its last end.
//!
//! The newest traces are looked for first: in the last minutes, then hours, then everywhere. That is exact, because all
//! spans of a trace that starts in a window lie in it or after it. Traces that only reach into the window are recognised
//! when they are measured, and left to the next window.

mod query;
mod sql;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, Int64Type};
use sabot_common::clock::Timestamp;
use sabot_sql::{QueryEngine, QueryLimits, Relations, RowSource, SqlError, check_condition};
use serde::Serialize;

pub use self::query::{MAX_TRACES, StatusCode, TraceQuery, UnknownStatus};
use self::sql::Window;
use crate::schema::SPANS;
use crate::trace::{self, Trace};
use crate::{SearchError, SpanStore};

/// Most spans shown of one trace.
pub const MAX_TRACE_SPANS: usize = 100_000;
/// How far back to look before looking everywhere.
const WINDOWS: [Duration; 2] = [Duration::from_mins(10), Duration::from_hours(6)];
/// Time for one query; well below [`FILE_GRACE`](crate::FILE_GRACE).
const TIMEOUT: Duration = Duration::from_secs(30);

/// A trace in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceSummary {
    /// In lowercase hexadecimal.
    pub trace_id: String,
    /// Service of the root, or of the first span if the root is not stored.
    pub root_service: Option<String>,
    /// Name of that span.
    pub root_operation: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Of the whole trace.
    pub duration_ms: f64,
    /// How many spans it has.
    pub spans: i64,
    /// How many of them failed.
    pub errors: i64,
    /// The sampling policy that kept it; `all` when none is in force.
    pub keep_reason: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TraceList {
    /// Newest first.
    pub traces: Vec<TraceSummary>,
    /// Whether more match than are listed.
    pub truncated: bool,
}

/// A service and the names of its spans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceOperations {
    /// `service.name`.
    pub service: String,
    /// In alphabetical order.
    pub operations: Vec<String>,
}

/// Answers questions about the traces of a store; its queries together stay within a memory limit.
pub struct TraceReader {
    store: Arc<SpanStore>,
    engine: QueryEngine,
}

impl fmt::Debug for TraceReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceReader")
    }
}

/// The only relations these queries may name.
struct StoredSpans(Arc<SpanStore>);

impl Relations for StoredSpans {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        match name {
            SPANS => Some(self.0.relation()),
            sql::BLOCKS => Some(self.0.blocks()),
            _ => None,
        }
    }

    fn names(&self) -> Vec<String> {
        vec![SPANS.to_owned()]
    }
}

impl TraceReader {
    /// A reader of `store` whose queries together hold at most `memory_bytes`.
    pub fn new(store: &Arc<SpanStore>, memory_bytes: usize) -> Result<Self, SqlError> {
        let relations = Arc::new(StoredSpans(Arc::clone(store)));
        let engine = QueryEngine::new(relations, memory_bytes, store.spill_dir())?;
        Ok(Self { store: Arc::clone(store), engine })
    }

    /// The traces that fulfil the query, newest first.
    pub async fn search(&self, query: &TraceQuery) -> Result<TraceList, SearchError> {
        if let Some(condition) = query.condition() {
            self.check(condition).await?;
        }
        let until = query.until.unwrap_or_else(|| self.store.clock().now()).unix_nanos();
        let nanos = |window: Duration| i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        let starts = WINDOWS.map(|window| until.saturating_sub(nanos(window)));
        let earliest = query.since.map_or(i64::MIN, Timestamp::unix_nanos);
        // One more than is listed tells whether there are more.
        let enough = query.limit() + 1;
        let mut traces = Vec::new();
        for start in starts.into_iter().filter(|start| *start > earliest).chain([earliest]) {
            traces = self.search_from(query, start, enough).await?;
            if traces.len() >= enough {
                break;
            }
        }
        let truncated = traces.len() >= enough;
        traces.truncate(query.limit());
        Ok(TraceList { traces, truncated })
    }

    /// The newest `enough` matching traces among those that start at `start` or later.
    async fn search_from(
        &self,
        query: &TraceQuery,
        start: i64,
        enough: usize,
    ) -> Result<Vec<TraceSummary>, SearchError> {
        let window = Window { start, until: query.until.map_or(i64::MAX, Timestamp::unix_nanos) };
        let mut wanted = enough;
        loop {
            let ids = self.candidates(query, window, wanted).await?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let mut found = self.measure(query, window, &ids).await?;
            found.truncate(enough);
            // Fewer than asked for, although there were more candidates: traces that reach into the window took room.
            if found.len() >= enough || ids.len() < wanted {
                return Ok(found);
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    async fn candidates(&self, query: &TraceQuery, window: Window, wanted: usize) -> Result<Vec<String>, SearchError> {
        let batches = self.run(&sql::candidates(query, window, wanted), wanted).await?;
        let mut ids = Vec::new();
        for batch in &batches {
            ids.extend(texts(batch, "trace_id")?.iter().flatten().map(str::to_owned));
        }
        Ok(ids)
    }

    async fn measure(
        &self,
        query: &TraceQuery,
        window: Window,
        ids: &[String],
    ) -> Result<Vec<TraceSummary>, SearchError> {
        let mut summaries = Vec::with_capacity(ids.len());
        for batch in self.run(&sql::summaries(query, window, ids), ids.len()).await? {
            push_summaries(&batch, &mut summaries)?;
        }
        Ok(summaries)
    }

    /// One trace with its spans by start, at most `limit` of them; none if it is not stored or `id` is no trace id.
    pub async fn trace(&self, id: &str, limit: usize) -> Result<Option<Trace>, SearchError> {
        let id = id.to_ascii_lowercase();
        if id.len() != 32 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let result = self.engine.query(&sql::trace(&id), limits(limit.min(MAX_TRACE_SPANS))).await?;
        let mut spans = Vec::new();
        for batch in &result.batches {
            trace::push_spans(batch, &mut spans)?;
        }
        let found = !spans.is_empty();
        Ok(found.then_some(Trace { trace_id: id, spans, truncated: result.truncated }))
    }

    /// Services and the names of their spans, in alphabetical order. Reads files, but each of them only once.
    pub fn services(&self) -> Result<Vec<ServiceOperations>, SearchError> {
        let services = self.store.operations()?.into_sorted().map(|(service, operations)| ServiceOperations {
            service: service.to_string(),
            operations: operations.iter().map(ToString::to_string).collect(),
        });
        Ok(services.collect())
    }

    /// Plans the user's condition by itself, so that what is wrong with it is told in its own terms.
    async fn check(&self, condition: &str) -> Result<(), SearchError> {
        check_condition(condition).map_err(SearchError::Condition)?;
        let checked = self.engine.query(&sql::check(condition), limits(1)).await;
        checked.map(|_| ()).map_err(|error| SearchError::Condition(sql::in_condition(error)))
    }

    async fn run(&self, sql: &str, max_rows: usize) -> Result<Vec<RecordBatch>, SearchError> {
        Ok(self.engine.query(sql, limits(max_rows)).await?.batches)
    }
}

const fn limits(max_rows: usize) -> QueryLimits {
    QueryLimits { max_rows, timeout: TIMEOUT }
}

fn push_summaries(batch: &RecordBatch, summaries: &mut Vec<TraceSummary>) -> Result<(), SearchError> {
    let (trace_ids, services) = (texts(batch, "trace_id")?, texts(batch, "root_service")?);
    let (operations, reasons) = (texts(batch, "root_operation")?, texts(batch, "keep_reason")?);
    let (starts, durations) = (numbers(batch, "start_nano")?, numbers(batch, "duration_nano")?);
    let (spans, errors) = (numbers(batch, "spans")?, numbers(batch, "errors")?);
    let owned = |texts: &StringArray, row| optional(texts, row).map(str::to_owned);
    summaries.extend((0..batch.num_rows()).map(|row| TraceSummary {
        trace_id: trace_ids.value(row).to_owned(),
        root_service: owned(services, row),
        root_operation: owned(operations, row),
        started_at: Timestamp::from_unix_nanos(starts.value(row)).to_string(),
        duration_ms: millis(durations.value(row)),
        spans: spans.value(row),
        errors: errors.value(row),
        keep_reason: owned(reasons, row),
    }));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "exact to the nanosecond up to 104 days")]
fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

/// A text column.
pub(crate) fn texts<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a StringArray, SearchError> {
    batch.column_by_name(name).and_then(|column| column.as_string_opt()).ok_or(SearchError::Column(name))
}

/// A column of whole numbers.
pub(crate) fn numbers<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a arrow::array::PrimitiveArray<Int64Type>, SearchError> {
    primitive::<Int64Type>(batch, name)
}

fn primitive<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a arrow::array::PrimitiveArray<T>, SearchError> {
    batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>()).ok_or(SearchError::Column(name))
}

/// A text that may be null.
pub(crate) fn optional(texts: &StringArray, row: usize) -> Option<&str> {
    use arrow::array::Array;
    texts.is_valid(row).then(|| texts.value(row))
}
