//! Stages, channels, barriers, epochs and the committer: how batches move and become durable, whatever they mean.
//!
//! The flow, in order:
//!
//! 1. A [`Source`] yields [`Envelope`]s: a batch with its partition, lateness, arrival and trace context.
//! 2. A [`Chain`] pushes each through its [`Operator`]s, one span and a few pre-bound counters per operator and batch.
//! 3. What comes out goes to a [`Sink`], or through an [`exchange`] to the chain that owns its key.
//! 4. A [`Job`] injects a barrier every commit interval. Each task snapshots its operators and flushes its sink at the
//!    barrier; when all have, the job hands one record to the [`Committer`].
//! 5. The committer syncs the data of all waiting jobs, then one journal append names it. Only then is it visible.
//!
//! Invariants: every queue is bounded and a full one blocks its producer; nothing here takes a lock per row; a barrier
//! never overtakes a batch; a row's lateness is decided at its source, before any exchange.

mod activity;
mod chain;
mod committer;
mod envelope;
mod error;
pub mod exchange;
mod job;
mod metrics;
mod operator;
mod sink;
mod snapshots;
mod source;
mod stats;
mod task;
mod workers;

pub use chain::{Chain, ChainContext};
pub use committer::Committer;
pub use envelope::{Envelope, Lateness, Route, admit_cause};
pub use error::JobError;
pub use job::{
    BeforeFinish, Committed, Exchanged, Job, JobHandle, JobOptions, JobSpec, OnCommit, StageSpec, Wiring, source_extra,
};
pub use metrics::{JobMetrics, describe};
pub use operator::{Emitter, Operator, Snapshot};
pub use sink::{Flushed, Sink, SinkTracer};
pub use source::{Position, Source, SourcePoll};
pub use stats::{JobState, JobStats, OperatorStats};
pub use workers::Workers;

/// The watermark of a source that has ended: nothing is left to wait for.
pub const WATERMARK_END: i64 = i64::MAX;
/// The watermark before the first row.
pub const WATERMARK_NONE: i64 = i64::MIN;
