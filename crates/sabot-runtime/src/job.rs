//! A job: the tasks of one agent, and the epochs that make their work durable together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sabot_common::clock::SharedClock;
use sabot_common::registry::{attributes, spans};
use sabot_store::{CommitRecord, CommitRequest, Section, Store};
use sabot_telemetry::{ActiveSpan, Spans};
use tokio::sync::{mpsc, oneshot, watch};

use crate::chain::to_i64;
use crate::exchange::{self, Partitioner};
use crate::snapshots::SnapshotFiles;
use crate::task::{Barrier, Counts, Input, Part, Report, SourceInput, Task};
use crate::{
    Chain, Committer, Flushed, JobError, JobMetrics, JobState, JobStats, Position, Route, Sink, Source, WATERMARK_NONE,
};

mod recover;

pub use recover::source_extra;

/// Epochs of one job that may wait for the committer at the same time.
const EPOCHS_IN_FLIGHT: usize = 2;

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

/// Called after every commit, with whether it was the last of a finished job.
pub type OnCommit = Arc<dyn Fn(bool) -> Result<(), JobError> + Send + Sync>;

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
    /// Called after every commit, with whether it was the last of a finished job.
    pub on_commit: Option<OnCommit>,
    /// Pace.
    pub options: JobOptions,
}

/// A running job.
#[derive(Debug)]
pub struct JobHandle {
    stats: Arc<JobStats>,
    stop: watch::Sender<bool>,
    over: watch::Receiver<bool>,
}

impl JobHandle {
    /// Its counters and state.
    pub const fn stats(&self) -> &Arc<JobStats> {
        &self.stats
    }

    /// Asks it to drain: commit what is in flight and stop.
    pub fn stop(&self) {
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

/// The coordinator of a job's tasks.
pub struct Job {
    agent: String,
    generation: u64,
    epoch: u64,
    wiring: Wiring,
    stats: Arc<JobStats>,
    metrics: JobMetrics,
    on_commit: Option<OnCommit>,
    options: JobOptions,
    barriers: Vec<mpsc::Sender<Barrier>>,
    reports: mpsc::Receiver<Report>,
    tasks: usize,
    /// Source tasks that have nothing more.
    ended: usize,
    activity: Arc<AtomicU64>,
    committed_activity: u64,
    snapshots: SnapshotFiles,
    in_flight: VecDeque<InFlight>,
    started: Duration,
}

struct InFlight {
    committed: oneshot::Receiver<Result<(), JobError>>,
    epoch: u64,
    counts: Counts,
    live_files: Vec<String>,
    finished: bool,
    span: ActiveSpan,
}

impl Job {
    /// Restores the job's state and starts its tasks.
    pub fn start(mut spec: JobSpec, wiring: Wiring) -> Result<JobHandle, JobError> {
        let recovered = recover::recover(&mut spec, &wiring.store)?;
        let (stop, stopping) = watch::channel(false);
        let (finished, over) = watch::channel(false);
        let (stats, handle_stats) = (Arc::clone(&spec.stats), Arc::clone(&spec.stats));
        let runtime = wiring.runtime.clone();
        let mut job = Self::launch(spec, wiring, recovered);
        stats.set_state(JobState::Running, None);
        runtime.spawn(async move {
            let outcome = job.coordinate(stopping).await;
            let (state, error) = match outcome {
                Ok(state) => (state, None),
                Err(error) => {
                    job.metrics.failures.add(1);
                    tracing::error!(agent = job.agent, "agent stopped: {error}");
                    (JobState::Failed, Some(error.to_string()))
                }
            };
            job.stats.set_state(state, error);
            // Tasks still waiting for room or rows end with their channels.
            drop(job);
            finished.send_replace(true);
        });
        Ok(JobHandle { stats: handle_stats, stop, over })
    }

    fn launch(spec: JobSpec, wiring: Wiring, recovered: recover::Recovered) -> Self {
        let started = wiring.clock.monotonic();
        let (report, reports) = mpsc::channel(64);
        let activity = Arc::new(AtomicU64::new(0));
        let (partitioners, second) = spec.second.map_or((Vec::new(), Vec::new()), |second| second);
        let (mut senders, receivers) =
            exchange::connect(partitioners, second.len(), &spec.metrics.backpressure, &wiring.clock);
        senders.reverse();
        let mut barriers = Vec::new();
        let mut tasks = Vec::new();
        for (source, stage) in spec.first {
            let (barrier, barriers_in) = mpsc::channel(EPOCHS_IN_FLIGHT);
            barriers.push(barrier);
            let input = SourceInput { source, barriers: barriers_in, commits: wiring.store.commits() };
            tasks.push((Input::Source(Box::new(input)), stage, senders.pop()));
        }
        for (receiver, stage) in receivers.into_iter().zip(second) {
            tasks.push((Input::Exchange(receiver), stage, None));
        }
        let count = tasks.len();
        for (index, (input, stage, exchange)) in tasks.into_iter().enumerate() {
            let task = Task {
                index,
                input,
                chain: stage.chain,
                exchange,
                sinks: stage.sinks,
                reports: report.clone(),
                activity: Arc::clone(&activity),
                spans: wiring.spans.clone(),
                counts: Counts::default(),
                watermark: WATERMARK_NONE,
            };
            wiring.runtime.spawn(task.run());
        }
        Self {
            agent: spec.agent,
            generation: spec.generation,
            epoch: recovered.epoch,
            wiring,
            stats: spec.stats,
            metrics: spec.metrics,
            on_commit: spec.on_commit,
            options: spec.options,
            barriers,
            reports,
            tasks: count,
            ended: 0,
            activity,
            committed_activity: 0,
            snapshots: recovered.snapshots,
            in_flight: VecDeque::new(),
            started,
        }
    }

    /// Runs epochs until the job is finished, stopped or failed.
    async fn coordinate(&mut self, mut stopping: watch::Receiver<bool>) -> Result<JobState, JobError> {
        let mut ticks = tokio::time::interval(self.options.commit_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let all_ended = self.ended == self.barriers.len();
            if all_ended || *stopping.borrow() {
                self.epoch(Barrier { epoch: self.epoch + 1, last: true }, all_ended).await?;
                while !self.in_flight.is_empty() {
                    self.settle().await?;
                }
                return Ok(if all_ended { JobState::Finished } else { JobState::Stopped });
            }
            tokio::select! {
                biased;
                changed = stopping.changed() => if changed.is_err() { return Err(JobError::Stopped) },
                report = self.reports.recv() => match report {
                    Some(Report::Failed(error)) => return Err(error),
                    Some(Report::Ended) => self.ended += 1,
                    Some(Report::Part(_)) => {}
                    None => return Err(JobError::Stopped),
                },
                settled = settled(&mut self.in_flight) => self.acknowledge(settled).await?,
                _ = ticks.tick() => {
                    if self.activity.load(Ordering::Relaxed) != self.committed_activity {
                        self.epoch(Barrier { epoch: self.epoch + 1, last: false }, false).await?;
                    }
                }
            }
        }
    }

    /// One epoch: barrier out, parts in, record to the committer.
    async fn epoch(&mut self, barrier: Barrier, finished: bool) -> Result<(), JobError> {
        self.committed_activity = self.activity.load(Ordering::Relaxed);
        for sender in &self.barriers {
            // A task that has gone has said why in its report.
            if sender.send(barrier).await.is_err() {
                tracing::debug!(agent = self.agent, "a task did not take the barrier");
            }
        }
        let mut parts = Vec::with_capacity(self.tasks);
        while parts.len() < self.tasks {
            match self.reports.recv().await {
                Some(Report::Part(part)) => parts.push(*part),
                Some(Report::Ended) => self.ended += 1,
                Some(Report::Failed(error)) => return Err(error),
                None => return Err(JobError::Stopped),
            }
        }
        self.epoch = barrier.epoch;
        // Sources may have ended on the way to a barrier that was not yet the last.
        self.submit(parts, finished).await
    }

    async fn submit(&mut self, parts: Vec<Part>, finished: bool) -> Result<(), JobError> {
        let mut gathered = Gathered::from_parts(parts);
        let mut live_files = self.snapshots.retain(&gathered.live);
        if !gathered.sections.is_empty() {
            let (id, file, dir) = self.write_snapshot(&gathered.sections).await?;
            self.snapshots.written(&id, &gathered.sections);
            live_files = self.snapshots.retain(&gathered.live);
            gathered.flushed.dirty.push(file);
            gathered.flushed.dirty_dirs.push(dir);
        }
        let mut span = match gathered.counts.trace {
            Some(parent) => self.wiring.spans.start(spans::COMMIT).parent(parent).start(),
            None => self.wiring.spans.suppressed().start(spans::COMMIT).root().start(),
        };
        if span.is_recording() {
            span.set_attribute(attributes::AGENT, self.agent.clone());
            span.set_attribute(attributes::COMPONENT, "state-store");
            span.set_attribute(attributes::EPOCH, to_i64(self.epoch));
            span.set_attribute(attributes::ROWS_OUT, to_i64(gathered.counts.rows_out));
            span.set_attribute(attributes::BYTES, to_i64(gathered.counts.bytes_out));
        }
        let record = CommitRecord {
            agent: self.agent.clone(),
            generation: self.generation,
            epoch: self.epoch,
            inputs: gathered.position.inputs,
            outputs: gathered.flushed.outputs,
            files: gathered.flushed.files,
            snapshots: live_files.clone(),
            finished,
            extra: recover::extra(self.tasks, gathered.flushed.streams, gathered.position.extra),
        };
        let request = CommitRequest { record, dirty: gathered.flushed.dirty, dirty_dirs: gathered.flushed.dirty_dirs };
        while self.in_flight.len() >= EPOCHS_IN_FLIGHT {
            self.settle().await?;
        }
        let committed = self.wiring.committer.submit(request).await?;
        let (epoch, counts) = (self.epoch, gathered.counts);
        self.in_flight.push_back(InFlight { committed, epoch, counts, live_files, finished, span });
        Ok(())
    }

    async fn write_snapshot(
        &self,
        sections: &[Section],
    ) -> Result<(String, Arc<dyn sabot_store::DiskFile>, std::path::PathBuf), JobError> {
        loop {
            match self.wiring.store.write_snapshot(&self.agent, self.generation, self.epoch, sections) {
                Err(sabot_store::StoreError::DiskFull { .. }) => tokio::time::sleep(Duration::from_millis(200)).await,
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn settle(&mut self) -> Result<(), JobError> {
        let settled = settled(&mut self.in_flight).await;
        self.acknowledge(settled).await
    }

    /// An epoch is durable: count it, let go of what it replaced, tell whoever waits.
    async fn acknowledge(&mut self, settled: (InFlight, Result<(), JobError>)) -> Result<(), JobError> {
        let (mut done, outcome) = settled;
        if let Err(error) = outcome {
            done.span.record_error(&error, error.kind());
            return Err(error);
        }
        drop(done.span);
        let durable = (self.generation, done.epoch);
        self.wiring.store.retain_snapshots(&self.agent, &done.live_files, durable)?;
        self.count(&done.counts, done.epoch);
        if let Some(on_commit) = self.on_commit.clone() {
            let finished = done.finished;
            let outcome = tokio::task::spawn_blocking(move || on_commit(finished)).await;
            outcome.map_err(|panicked| JobError::operator("after commit", panicked))??;
        }
        Ok(())
    }

    fn count(&self, counts: &Counts, epoch: u64) {
        let (stats, metrics) = (&self.stats, &self.metrics);
        let relaxed = Ordering::Relaxed;
        stats.rows_in.fetch_add(counts.rows_in, relaxed);
        stats.rows_out.fetch_add(counts.rows_out, relaxed);
        stats.late.fetch_add(counts.late, relaxed);
        stats.dead.fetch_add(counts.dead, relaxed);
        stats.bytes_out.fetch_add(counts.bytes_out, relaxed);
        stats.epoch.store(epoch, relaxed);
        let active = self.wiring.clock.monotonic().saturating_sub(self.started);
        stats.active_nanos.store(u64::try_from(active.as_nanos()).unwrap_or(u64::MAX), relaxed);
        metrics.processed.add(counts.rows_in);
        metrics.batches.add(counts.batches);
        metrics.lag.set(crate::chain::to_f64(stats.lag_events.load(relaxed)));
        if let (Some(watermark), newest) = (stats.watermark_micros(), stats.newest_event_time.load(relaxed)) {
            let lag = u64::try_from(newest.saturating_sub(watermark)).unwrap_or(0);
            metrics.watermark_lag.set(crate::chain::to_f64(lag) / 1e6);
        }
        if let Some(arrived) = counts.oldest_arrival {
            let latency = self.wiring.clock.now().since(arrived).as_secs_f64();
            match counts.trace {
                Some(trace) => metrics.latency.observe_with_exemplar(latency, trace),
                None => metrics.latency.observe(latency),
            }
        }
    }
}

/// Waits for the oldest epoch in flight; for ever when there is none.
async fn settled(in_flight: &mut VecDeque<InFlight>) -> (InFlight, Result<(), JobError>) {
    let outcome = match in_flight.front_mut() {
        Some(oldest) => (&mut oldest.committed).await.unwrap_or(Err(JobError::Stopped)),
        None => std::future::pending().await,
    };
    match in_flight.pop_front() {
        Some(oldest) => (oldest, outcome),
        None => std::future::pending().await,
    }
}

/// The parts of an epoch put together.
#[derive(Default)]
struct Gathered {
    position: Position,
    sections: Vec<Section>,
    live: BTreeSet<String>,
    flushed: Flushed,
    counts: Counts,
}

impl Gathered {
    fn from_parts(parts: Vec<Part>) -> Self {
        let mut all = Self::default();
        for part in parts {
            let task = part.task;
            let named = |name: &str| format!("{task}.{name}");
            if let Some(position) = part.position {
                all.position.inputs.extend(position.inputs);
                all.position.extra = position.extra.or(all.position.extra);
            }
            all.live.extend(part.live.iter().map(|name| named(name)));
            all.sections.extend(part.sections.into_iter().map(|s| Section { name: named(&s.name), ..s }));
            all.flushed.streams.extend(part.flushed.streams);
            all.flushed.outputs.extend(part.flushed.outputs);
            all.flushed.files.extend(part.flushed.files);
            all.flushed.dirty.extend(part.flushed.dirty);
            all.flushed.dirty_dirs.extend(part.flushed.dirty_dirs);
            all.counts.add(&part.counts);
        }
        all
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.late += other.late;
        self.dead += other.dead;
        self.batches += other.batches;
        self.bytes_out += other.bytes_out;
        self.oldest_arrival = [self.oldest_arrival, other.oldest_arrival].into_iter().flatten().min();
        self.trace = other.trace.or(self.trace);
    }
}
