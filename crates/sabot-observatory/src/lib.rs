//! Sabot's own OpenTelemetry backend: spans stored as Parquet blocks, searched with SQL, and shown as traces.
//!
//! The flow, in order:
//!
//! 1. Ended spans wait in a [`SpanQueue`](sabot_telemetry::SpanQueue). [`SpanWriter`] takes them off on a thread of its own
//!    and appends them to the [`SpanStore`], where readers see them at once.
//! 2. The store flushes its buffer into blocks: immutable Parquet files sorted by trace. Blocks are merged by tiers and
//!    dropped whole when they are too old or too many. `docs/telemetry-storage.md` describes the files.
//! 3. [`SpanStore::relation`] is `sabot.spans` for anyone's SQL. [`TraceReader`] answers what people ask: which traces,
//!    one trace, which services.
//! 4. [`MetricsHistory`] reads the metrics registry and adds rates and percentiles.
//!
//! Nothing here records spans: telemetry about telemetry is metrics only.
//!
//! ```
//! use sabot_common::{clock::SystemClock, config::TelemetryStorage};
//! use sabot_observatory::{SpanStore, SpanWriter, TraceQuery, TraceReader};
//! use sabot_telemetry::{TelemetryConfig, init_telemetry};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let telemetry = init_telemetry(TelemetryConfig::new("shop")).expect("telemetry");
//! let settings = TelemetryStorage::default();
//! let store = SpanStore::open(dir, &settings, SystemClock::shared(), telemetry.registry())?;
//! let writer = SpanWriter::spawn(store.clone(), telemetry.span_queue().clone(), telemetry.outlet().clone())?;
//!
//! drop(telemetry.spans().start("checkout").root().attribute("items", 3).start());
//! telemetry.close();
//! writer.stop()?;
//!
//! let traces = TraceReader::new(&store, 64 << 20)?;
//! let query = TraceQuery { tags: vec![("items".to_owned(), "3".to_owned())], ..TraceQuery::default() };
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! let found = runtime.block_on(traces.search(&query))?;
//! assert_eq!(found.traces[0].root_operation.as_deref(), Some("checkout"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod counters;
mod error;
mod metrics;
mod rows;
mod schema;
mod search;
mod store;
mod trace;
mod writer;

pub use error::{SearchError, StoreError};
pub use metrics::{MetricReading, MetricsHistory, MetricsReport};
pub use schema::{SPANS, spans_schema};
pub use search::{
    MAX_TRACE_SPANS, MAX_TRACES, ServiceOperations, StatusCode, TraceList, TraceQuery, TraceReader, TraceSummary,
    UnknownStatus,
};
pub use store::{FILE_GRACE, SpanStore};
pub use trace::{Trace, TraceEvent, TraceLink, TraceSpan};
pub use writer::SpanWriter;
