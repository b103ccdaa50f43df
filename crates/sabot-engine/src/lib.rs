//! Stream agents: a planned query becomes operators, sources and sinks on the runtime.
//!
//! The way of a row, and the modules in that order:
//!
//! 1. [`ingest`] declares what a file becomes and builds the job that fills a stream or a table from it; the readers of
//!    `source::file` decode rows and set aside those that do not fit.
//! 2. `source::stream` reads committed batches, keeps each partition's watermark and decides which rows are late.
//! 3. `operator` holds one file per operator: filter and project, lookup join, window.
//! 4. `sink` holds one file per sink: stream (and table), file, console, blackhole.
//! 5. [`agent`] puts them together: from an agent's declaration and plan to a job.
//!
//! Deliberately absent: SQL text (sabot-sql), epochs and commits (sabot-runtime), files and formats on disk
//! (sabot-store).

pub mod agent;
mod error;
pub mod ingest;
mod json;
mod operator;
mod partition;
mod sink;
mod source;

pub use error::EngineError;
pub use json::json_lines;
pub use operator::OperatorMetrics;
pub use partition::KeyHash;
pub use source::intake::{Intake, Origin};
