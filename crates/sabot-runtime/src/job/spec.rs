//! What a job is made of, and the handle of one that runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::SharedClock;
use sabot_store::Store;
use sabot_telemetry::{Spans, TraceContext};
use tokio::sync::watch;

use crate::exchange::Partitioner;
use crate::{Chain, Committer, JobError, JobMetrics, JobStats, Route, Sink, Source};

/// What every job shares.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// Where everything is stored.
    pub store: Arc<Store>,
    /// What makes epochs durable.
    pub committer: Committer,
    /// Where spans go.
    pub spans: Spans,
    /// The time.
    pub clock: SharedClock,
    /// Where tasks run.
    pub runtime: tokio::runtime::Handle,
}

/// Pace of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobOptions {
    /// Time between barriers.
    pub commit_interval: Duration,
    /// Output after which a barrier comes before its time.
    pub commit_bytes: u64,
}

/// One task of a stage: its operators and the sinks it writes to.
pub struct StageSpec {
    /// Its operators.
    pub chain: Chain,
    /// Where rows of each route go.
    pub sinks: BTreeMap<Route, Box<dyn Sink>>,
}

/// The stages behind an exchange: how rows are split, one partitioner per first task, and the chains that own them.
pub type Exchanged = (Vec<Box<dyn Partitioner>>, Vec<StageSpec>);

/// Called after every commit. When the disk is full it is called again.
pub type OnCommit = Arc<dyn Fn(&Committed) -> Result<(), JobError> + Send + Sync>;

/// A commit that has become durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Where spans of what follows go.
    pub spans: Spans,
    /// The span of the commit.
    pub trace: Option<TraceContext>,
    /// Time.
    pub clock: SharedClock,
}

/// Called when all rows of a finished job are committed, before a last commit says so. When the disk is full it is
/// called again; after a crash it may be called again too.
pub type BeforeFinish = Arc<dyn Fn() -> Result<(), JobError> + Send + Sync>;

/// A job to run.
pub struct JobSpec {
    /// The agent, by which its commits are known.
    pub agent: String,
    /// Raised with every deployed version; a lower one is fenced off.
    pub generation: u64,
    /// One source and chain per parallel instance.
    pub first: Vec<(Box<dyn Source>, StageSpec)>,
    /// Behind an exchange: how rows are split, one per first task, and the chains that own them.
    pub second: Option<Exchanged>,
    /// Counters.
    pub stats: Arc<JobStats>,
    /// Metrics.
    pub metrics: JobMetrics,
    /// Called after every commit.
    pub on_commit: Option<OnCommit>,
    /// Called when everything is committed and before the job is marked as finished.
    pub before_finish: Option<BeforeFinish>,
    /// Pace.
    pub options: JobOptions,
}

/// A running job.
#[derive(Debug)]
pub struct JobHandle {
    pub(super) stats: Arc<JobStats>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) over: watch::Receiver<bool>,
}

impl JobHandle {
    /// Its counters and state.
    pub const fn stats(&self) -> &Arc<JobStats> {
        &self.stats
    }

    /// Asks it to drain: commit what is in flight and stop.
    pub fn stop(&self) {
        self.stats.set_draining();
        self.stop.send_replace(true);
    }

    /// Waits until it is over.
    pub async fn join(&self) {
        let mut over = self.over.clone();
        // An error means the job's coordinator is gone, which is over too.
        if over.wait_for(|over| *over).await.is_err() {
            tracing::debug!("a job's coordinator went away");
        }
    }
}
