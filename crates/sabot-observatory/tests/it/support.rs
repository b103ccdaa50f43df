//! Spans to store, a store whose time stands still, and ways to look into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use sabot_common::clock::{ManualClock, SharedClock, Timestamp};
use sabot_common::config::TelemetryStorage;
use sabot_observatory::{SPANS, SpanStore, TraceQuery, TraceReader, TraceSummary};
use sabot_sql::{QueryEngine, QueryLimits, Relations, RowSource};
use sabot_telemetry::{AttributeValue, Dropped, Registry, Resource, SpanKind, SpanRecord, SpanStatus, Text};
use tempfile::TempDir;

pub(crate) const MEMORY_BYTES: usize = 256 << 20;
/// When time stands still in tests: 2025-01-01.
pub(crate) const NOW: i64 = 1_735_689_600_000_000_000;
pub(crate) const MILLI: i64 = 1_000_000;

/// A store in a directory of its own.
pub(crate) struct Bench {
    pub(crate) store: Arc<SpanStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) registry: Registry,
    pub(crate) settings: TelemetryStorage,
    pub(crate) dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(TelemetryStorage::default())
    }

    pub(crate) fn with(settings: TelemetryStorage) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_unix_nanos(NOW)));
        let registry = Registry::new();
        let store =
            SpanStore::open(dir.path(), &settings, Arc::<ManualClock>::clone(&clock), &registry).expect("a store");
        Self { store, clock, registry, settings, dir }
    }

    /// What a server finds that starts on a copy of the directory as it is now.
    pub(crate) fn reopened_copy(&self) -> (TempDir, Arc<SpanStore>) {
        let copy = tempfile::tempdir().expect("a directory");
        copy_blocks(self.dir.path(), copy.path());
        let store = self.open(copy.path());
        (copy, store)
    }

    pub(crate) fn open(&self, dir: &Path) -> Arc<SpanStore> {
        SpanStore::open(dir, &self.settings, self.shared_clock(), &Registry::new()).expect("a store")
    }

    pub(crate) fn shared_clock(&self) -> SharedClock {
        Arc::<ManualClock>::clone(&self.clock)
    }

    pub(crate) fn append_and_flush(&self, spans: &[SpanRecord]) {
        self.store.append(spans.to_vec());
        self.store.flush().expect("a block");
    }

    pub(crate) fn blocks(&self) -> Vec<PathBuf> {
        block_files(self.dir.path())
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn counter(&self, name: &str) -> f64 {
        self.registry.snapshot().iter().find(|sample| sample.name == name).expect("a counter").value
    }

    pub(crate) fn reader(&self) -> TraceReader {
        TraceReader::new(&self.store, MEMORY_BYTES).expect("a reader")
    }

    pub(crate) async fn search(&self, query: TraceQuery) -> Vec<TraceSummary> {
        self.reader().search(&query).await.expect("an answer").traces
    }

    /// Names of the roots found, newest first.
    pub(crate) async fn roots(&self, query: TraceQuery) -> Vec<String> {
        self.search(query).await.into_iter().map(|trace| trace.root_operation.unwrap_or_default()).collect()
    }
}

pub(crate) fn block_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("spans")).expect("a directory");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

pub(crate) fn copy_blocks(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("spans")).expect("a directory");
    for file in block_files(from) {
        fs::copy(&file, to.join("spans").join(file.file_name().expect("a name"))).expect("a copy");
    }
}

struct Spans(Arc<SpanStore>);

impl Relations for Spans {
    fn resolve(&self, name: &str) -> Option<RowSource> {
        (name == SPANS).then(|| self.0.relation())
    }

    fn names(&self) -> Vec<String> {
        vec![SPANS.to_owned()]
    }
}

/// Runs SQL as anyone may.
pub(crate) async fn sql(store: &Arc<SpanStore>, query: &str) -> Vec<RecordBatch> {
    let engine = QueryEngine::new(Arc::new(Spans(Arc::clone(store))), MEMORY_BYTES, std::env::temp_dir());
    let limits = QueryLimits { max_rows: 1_000_000, timeout: Duration::from_mins(1) };
    engine.expect("an engine").query(query, limits).await.expect("an answer").batches
}

/// The one number a query gives.
pub(crate) async fn number(store: &Arc<SpanStore>, query: &str) -> i64 {
    let batches = sql(store, query).await;
    let batch = batches.iter().find(|batch| batch.num_rows() > 0).expect("a row");
    batch.column(0).as_primitive::<Int64Type>().value(0)
}

/// Spans, and distinct ones: they differ if a span is read twice.
pub(crate) async fn count(store: &Arc<SpanStore>) -> (i64, i64) {
    let total = number(store, "SELECT count(*) FROM sabot.spans").await;
    (total, number(store, "SELECT count(DISTINCT trace_id || span_id) FROM sabot.spans").await)
}

/// A root span of 10 ms that began now.
pub(crate) fn root(trace: u128, name: &'static str) -> SpanRecord {
    SpanRecord {
        trace_id: trace.to_be_bytes(),
        span_id: 1_u64.to_be_bytes(),
        parent_span_id: None,
        trace_state: Text::default(),
        scope: None,
        resource: Arc::new(Resource::of_service("shop")),
        name: name.into(),
        kind: SpanKind::Server,
        start_unix_nano: NOW.cast_unsigned(),
        end_unix_nano: (NOW + 10 * MILLI).cast_unsigned(),
        status: SpanStatus::Unset,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        dropped: Dropped::default(),
    }
}

/// A child of the root.
pub(crate) fn child(trace: u128, id: u64, name: &'static str) -> SpanRecord {
    SpanRecord {
        span_id: id.to_be_bytes(),
        parent_span_id: Some(1_u64.to_be_bytes()),
        kind: SpanKind::Internal,
        ..root(trace, name)
    }
}

pub(crate) fn with_attribute(mut span: SpanRecord, key: &'static str, value: AttributeValue) -> SpanRecord {
    span.attributes.push((key.into(), value));
    span
}

/// The span at other times, in nanoseconds after [`NOW`].
pub(crate) fn at(mut span: SpanRecord, start: i64, end: i64) -> SpanRecord {
    span.start_unix_nano = (NOW + start).cast_unsigned();
    span.end_unix_nano = (NOW + end).cast_unsigned();
    span
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::Str(value.to_owned().into())
}

pub(crate) fn trace_id(trace: u128) -> String {
    format!("{trace:032x}")
}
