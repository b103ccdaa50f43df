//! Sabot's own OpenTelemetry backend.

mod block;
mod counters;
mod error;
mod rows;
mod schema;
mod store;
mod writer;

pub use error::{SearchError, StoreError};
pub use schema::{SPANS, spans_schema};
pub use store::{FILE_GRACE, SpanStore};
pub use writer::SpanWriter;
