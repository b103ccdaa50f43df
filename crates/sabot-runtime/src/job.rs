//! A job: the tasks of one agent, and the epochs that make their work durable together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sabot_common::clock::SharedClock;
use sabot_common::registry::{attributes, spans};
use sabot_store::{CommitRecord, CommitRequest, Section};
use sabot_telemetry::{ActiveSpan, TraceContext};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::activity::Activity;
use crate::exchange;
use crate::snapshots::SnapshotFiles;
use crate::task::{Barrier, Counts, DISK_FULL_RETRY, Input, Outputs, Part, Report, SourceInput, Task};
use crate::{JobError, JobMetrics, JobState, JobStats, WATERMARK_NONE};

mod gathered;
mod recover;
mod spec;

pub use recover::source_extra;
pub use spec::{BeforeFinish, Committed, Exchanged, JobHandle, JobOptions, JobSpec, OnCommit, StageSpec, Wiring};

use gathered::Gathered;

/// Epochs of one job that may wait for the committer at the same time.
const EPOCHS_IN_FLIGHT: usize = 2;

/// The coordinator of a job's tasks.
pub struct Job {
    agent: String,
    generation: u64,
    epoch: u64,
    wiring: Wiring,
    stats: Arc<JobStats>,
    metrics: JobMetrics,
    on_commit: Option<OnCommit>,
    before_finish: Option<BeforeFinish>,
    options: JobOptions,
    barriers: Vec<mpsc::Sender<Barrier>>,
    reports: mpsc::Receiver<Report>,
    running: JoinSet<Result<(), JobError>>,
    tasks: usize,
    /// Source tasks that have nothing more.
    ended: usize,
    activity: Arc<Activity>,
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
            let (state, error) = match job.end(outcome).await {
                Ok(state) => (state, None),
                Err(error) => {
                    job.metrics.failed(&error);
                    tracing::error!(agent = job.agent, "agent stopped: {error}");
                    (JobState::Failed, Some(error.to_string()))
                }
            };
            job.stats.set_state(state, error);
            drop(job);
            finished.send_replace(true);
        });
        Ok(JobHandle { stats: handle_stats, stop, over })
    }

    fn launch(spec: JobSpec, wiring: Wiring, recovered: recover::Recovered) -> Self {
        let started = wiring.clock.monotonic();
        let (report, reports) = mpsc::channel(64);
        let activity = Arc::new(Activity::new(spec.options.commit_bytes));
        let (partitioners, second) = spec.second.map_or((Vec::new(), Vec::new()), |second| second);
        let (mut senders, receivers) =
            exchange::connect(partitioners, second.len(), &spec.metrics.backpressure, &wiring.clock);
        senders.reverse();
        let mut barriers = Vec::new();
        let mut tasks = Vec::new();
        for (source, stage) in spec.first {
            let (barrier, barriers_in) = mpsc::channel(EPOCHS_IN_FLIGHT);
            barriers.push(barrier);
            let (commits, watermark) = (wiring.store.commits(), WATERMARK_NONE);
            let input = SourceInput { source, barriers: barriers_in, commits, watermark };
            tasks.push((Input::Source(Box::new(input)), stage, senders.pop()));
        }
        for (receiver, stage) in receivers.into_iter().zip(second) {
            tasks.push((Input::Exchange(receiver), stage, None));
        }
        let count = tasks.len();
        let mut running = JoinSet::new();
        for (index, (input, stage, exchange)) in tasks.into_iter().enumerate() {
            let reports = report.clone();
            let outputs = Outputs {
                sinks: stage.sinks,
                stats: Arc::clone(&spec.stats),
                activity: Arc::clone(&activity),
                reports: reports.clone(),
            };
            let (chain, counts) = (stage.chain, Counts::default());
            running.spawn_on(
                Task { index, input, chain, exchange, outputs, reports, counts, lead: None }.run(),
                &wiring.runtime,
            );
        }
        Self {
            agent: spec.agent,
            generation: spec.generation,
            epoch: recovered.epoch,
            wiring,
            stats: spec.stats,
            metrics: spec.metrics,
            on_commit: spec.on_commit,
            before_finish: spec.before_finish,
            options: spec.options,
            barriers,
            reports,
            running,
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
                return self.last_epoch(all_ended).await;
            }
            tokio::select! {
                biased;
                changed = stopping.changed() => if changed.is_err() { return Err(JobError::Stopped) },
                report = self.reports.recv() => match report {
                    Some(Report::Ended) => self.ended += 1,
                    Some(Report::Part(_)) => {}
                    None => return Err(JobError::Stopped),
                },
                ended = failed(&mut self.running) => return Err(ended),
                settled = settled(&mut self.in_flight) => self.acknowledge(settled).await?,
                () = self.activity.full() => self.regular_epoch().await?,
                _ = ticks.tick() => self.regular_epoch().await?,
            }
        }
    }

    /// The last barrier, and what follows it. What has to be done before a job may count as finished is done when all
    /// its rows are durable; only then a commit says that it is.
    async fn last_epoch(&mut self, all_ended: bool) -> Result<JobState, JobError> {
        let in_two_steps = all_ended && self.before_finish.is_some();
        self.epoch(Barrier { epoch: self.epoch + 1, last: true }, all_ended && !in_two_steps).await?;
        while !self.in_flight.is_empty() {
            self.settle().await?;
        }
        if let Some(before_finish) = self.before_finish.clone().filter(|_| in_two_steps) {
            let before_finish = move || before_finish();
            insist("before finish", &self.stats, before_finish).await?;
            self.mark_finished().await?;
        }
        Ok(if all_ended { JobState::Finished } else { JobState::Stopped })
    }

    /// A commit that changes nothing but that the job is finished.
    async fn mark_finished(&mut self) -> Result<(), JobError> {
        let Some(last) = self.wiring.store.last_commit(&self.agent) else { return Err(JobError::Stopped) };
        self.epoch += 1;
        let record = CommitRecord { epoch: self.epoch, outputs: Vec::new(), finished: true, ..last };
        self.wiring.committer.commit(CommitRequest { record, dirty: Vec::new(), dirty_dirs: Vec::new() }).await
    }

    /// Ends the tasks and lets epochs in flight settle, so that nothing of the job goes on when it is over. Of several
    /// errors the first that is not the consequence of another is the one to tell.
    async fn end(&mut self, outcome: Result<JobState, JobError>) -> Result<JobState, JobError> {
        self.barriers.clear();
        self.reports.close();
        let mut error = outcome.as_ref().err().cloned();
        while let Some(ended) = self.running.join_next().await {
            let cause = outcome_of(ended).err();
            if error.as_ref().is_none_or(JobError::is_consequence) {
                error = cause.or(error);
            }
        }
        while let Some(oldest) = self.in_flight.pop_front() {
            let settled = oldest.committed.await.unwrap_or(Err(JobError::Stopped));
            if error.is_none() {
                error = settled.err();
            }
        }
        match error {
            Some(error) => Err(error),
            None => outcome,
        }
    }

    /// An epoch, if there is something to commit.
    async fn regular_epoch(&mut self) -> Result<(), JobError> {
        if self.activity.changes() == self.committed_activity {
            return Ok(());
        }
        self.epoch(Barrier { epoch: self.epoch + 1, last: false }, false).await
    }

    /// One epoch: barrier out, parts in, record to the committer.
    async fn epoch(&mut self, barrier: Barrier, finished: bool) -> Result<(), JobError> {
        self.committed_activity = self.activity.barrier();
        for sender in &self.barriers {
            // A task that has gone has said why in its report.
            if sender.send(barrier).await.is_err() {
                tracing::debug!(agent = self.agent, "a task did not take the barrier");
            }
        }
        let mut parts = Vec::with_capacity(self.tasks);
        while parts.len() < self.tasks {
            tokio::select! {
                biased;
                report = self.reports.recv() => match report {
                    Some(Report::Part(part)) => parts.push(*part),
                    Some(Report::Ended) => self.ended += 1,
                    None => return Err(JobError::Stopped),
                },
                error = failed(&mut self.running) => return Err(error),
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
        let span = self.commit_span(&gathered);
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
        self.in_flight.push_back(InFlight { committed, epoch, counts, live_files, span });
        Ok(())
    }

    /// The span of an epoch's commit: below the first span that wrote something, or the first batch if none did, and
    /// linked to the others.
    fn commit_span(&self, gathered: &Gathered) -> ActiveSpan {
        let Gathered { flushed, counts, .. } = gathered;
        let traces = if flushed.traces.is_empty() { &counts.batch_traces } else { &flushed.traces };
        let Some((first, others)) = traces.split_first() else {
            return self.wiring.spans.suppressed().start(spans::COMMIT).root().start();
        };
        let builder = self.wiring.spans.start(spans::COMMIT).parent(*first);
        let mut span = others.iter().fold(builder, |builder, other| builder.link(*other)).start();
        if span.is_recording() {
            span.set_attribute(attributes::AGENT, self.agent.clone());
            span.set_attribute(attributes::COMPONENT, "state-store");
            span.set_attribute(attributes::EPOCH, self.epoch);
            span.set_attribute(attributes::ROWS, counts.rows_in);
            span.set_attribute(attributes::ROWS_OUT, counts.rows_out);
            span.set_attribute(attributes::BYTES, counts.bytes_out);
        }
        span
    }

    async fn write_snapshot(
        &self,
        sections: &[Section],
    ) -> Result<(String, Arc<dyn sabot_store::DiskFile>, std::path::PathBuf), JobError> {
        loop {
            match self.wiring.store.write_snapshot(&self.agent, self.generation, self.epoch, sections) {
                Err(sabot_store::StoreError::DiskFull { .. }) => {
                    self.stats.set_disk_full(true);
                    tokio::time::sleep(DISK_FULL_RETRY).await;
                }
                outcome => {
                    self.stats.set_disk_full(false);
                    return Ok(outcome?);
                }
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
        let trace = done.span.is_recording().then(|| done.span.context());
        drop(done.span);
        let durable = (self.generation, done.epoch);
        self.wiring.store.retain_snapshots(&self.agent, &done.live_files, durable)?;
        self.count(&done.counts, done.epoch, trace);
        let Some(on_commit) = self.on_commit.clone() else { return Ok(()) };
        let (spans, clock) = (self.wiring.spans.clone(), SharedClock::clone(&self.wiring.clock));
        let committed = Committed { spans, trace, clock };
        insist("after commit", &self.stats, move || on_commit(&committed)).await
    }

    fn count(&self, counts: &Counts, epoch: u64, trace: Option<TraceContext>) {
        let (stats, metrics) = (&self.stats, &self.metrics);
        let relaxed = Ordering::Relaxed;
        stats.rows_in.fetch_add(counts.rows_in, relaxed);
        stats.rows_out.fetch_add(counts.rows_out, relaxed);
        stats.late.fetch_add(counts.late, relaxed);
        stats.dead.fetch_add(counts.dead, relaxed);
        stats.bytes_out.fetch_add(counts.bytes_out, relaxed);
        stats.epoch.store(epoch, relaxed);
        stats.note_active(self.wiring.clock.monotonic().saturating_sub(self.started));
        metrics.processed.add(counts.rows_in);
        metrics.batches.add(counts.batches);
        if let (Some(watermark), newest) = (stats.watermark_micros(), stats.newest_event_time.load(relaxed)) {
            let lag = u64::try_from(newest.saturating_sub(watermark)).unwrap_or(0);
            metrics.watermark_lag.set(crate::chain::to_f64(lag) / 1e6);
        }
        if let Some(arrived) = counts.oldest_arrival {
            let latency = self.wiring.clock.now().since(arrived).as_secs_f64();
            match trace {
                Some(trace) => metrics.latency.observe_with_exemplar(latency, trace),
                None => metrics.latency.observe(latency),
            }
        }
    }
}

/// Runs blocking work, again and again while the disk is full.
async fn insist(
    what: &'static str,
    stats: &JobStats,
    work: impl Fn() -> Result<(), JobError> + Send + Sync + 'static,
) -> Result<(), JobError> {
    let work = Arc::new(work);
    loop {
        let attempt = Arc::clone(&work);
        let outcome = tokio::task::spawn_blocking(move || attempt()).await;
        match outcome.map_err(|panicked| JobError::operator(what, panicked))? {
            Err(error) if error.is_disk_full() => {
                stats.set_disk_full(true);
                tokio::time::sleep(DISK_FULL_RETRY).await;
            }
            outcome => {
                stats.set_disk_full(false);
                return outcome;
            }
        }
    }
}

/// Waits for a task that fails; for ever when none does.
async fn failed(running: &mut JoinSet<Result<(), JobError>>) -> JobError {
    while let Some(ended) = running.join_next().await {
        if let Err(error) = outcome_of(ended) {
            return error;
        }
    }
    std::future::pending().await
}

fn outcome_of(ended: Result<Result<(), JobError>, tokio::task::JoinError>) -> Result<(), JobError> {
    ended.unwrap_or_else(|panicked| Err(JobError::operator("task", panicked)))
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
