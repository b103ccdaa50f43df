//! One task of a job: reads its input, pushes it through its chain, writes what comes out, answers barriers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sabot_common::clock::Timestamp;
use sabot_common::registry::{attributes, spans};
use sabot_store::Section;
use sabot_telemetry::{Spans, TraceContext};
use tokio::sync::{mpsc, watch};

use crate::chain::{Chain, to_i64};
use crate::exchange::{Message, Received, Receiver, Sender};
use crate::{
    Envelope, Flushed, JobError, JobState, JobStats, Position, Route, Sink, Source, SourcePoll, WATERMARK_END,
};

/// Pause before a write is tried again on a full disk.
const DISK_FULL_RETRY: Duration = Duration::from_millis(200);
/// Longest wait for a commit before looking again; only a guard, commits wake the source.
const COMMIT_POLL: Duration = Duration::from_secs(1);

/// The end of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Barrier {
    pub(crate) epoch: u64,
    /// Nothing comes after it.
    pub(crate) last: bool,
}

/// What a task tells its job.
#[derive(Debug)]
pub(crate) enum Report {
    /// Its part of an epoch.
    Part(Box<Part>),
    /// Its source has nothing more.
    Ended,
    /// It cannot go on.
    Failed(JobError),
}

/// A task's part of an epoch.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// The task, for naming its state.
    pub(crate) task: usize,
    pub(crate) position: Option<Position>,
    pub(crate) sections: Vec<Section>,
    pub(crate) live: Vec<String>,
    pub(crate) flushed: Flushed,
    pub(crate) counts: Counts,
}

/// What a task did in an epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) late: u64,
    pub(crate) dead: u64,
    pub(crate) batches: u64,
    pub(crate) bytes_out: u64,
    /// Oldest arrival of the epoch's rows.
    pub(crate) oldest_arrival: Option<Timestamp>,
    /// The newest span that wrote something.
    pub(crate) trace: Option<TraceContext>,
}

/// Where a task's rows come from.
pub(crate) enum Input {
    Source(Box<SourceInput>),
    Exchange(Receiver),
}

/// A source and the barriers its job injects.
pub(crate) struct SourceInput {
    pub(crate) source: Box<dyn Source>,
    pub(crate) barriers: mpsc::Receiver<Barrier>,
    pub(crate) commits: watch::Receiver<u64>,
}

/// One task.
pub(crate) struct Task {
    pub(crate) index: usize,
    pub(crate) input: Input,
    pub(crate) chain: Chain,
    pub(crate) exchange: Option<Sender>,
    pub(crate) sinks: BTreeMap<Route, Box<dyn Sink>>,
    pub(crate) reports: mpsc::Sender<Report>,
    /// Grows whenever something happened that a barrier should make durable.
    pub(crate) activity: Arc<AtomicU64>,
    pub(crate) spans: Spans,
    pub(crate) counts: Counts,
    pub(crate) watermark: i64,
}

enum Event {
    Rows(Vec<Envelope>, Option<i64>),
    Barrier(Barrier),
    End,
}

impl Task {
    /// Runs until the last barrier or a failure.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.work().await
            && self.reports.send(Report::Failed(error)).await.is_err()
        {
            tracing::debug!("a task failed after its job had gone");
        }
    }

    async fn work(&mut self) -> Result<(), JobError> {
        let mut out = Vec::new();
        loop {
            match self.next().await? {
                Event::Rows(mut rows, watermark) => {
                    self.note_input(&rows);
                    self.chain.push(&mut rows, watermark, &mut out)?;
                    self.deliver(&mut out).await?;
                    if let (Some(watermark), Some(exchange)) = (watermark, &mut self.exchange) {
                        exchange.broadcast(|| Message::Watermark(watermark)).await?;
                    }
                    self.activity.fetch_add(1, Ordering::Relaxed);
                    // A batch can take milliseconds: let the other tasks of this thread have their turn.
                    tokio::task::consume_budget().await;
                }
                Event::End => {
                    self.chain.push(&mut Vec::new(), Some(WATERMARK_END), &mut out)?;
                    self.deliver(&mut out).await?;
                    if let Some(exchange) = &mut self.exchange {
                        exchange.broadcast(|| Message::End).await?;
                    }
                    self.activity.fetch_add(1, Ordering::Relaxed);
                    if matches!(self.input, Input::Source(_)) {
                        report(&self.reports, Report::Ended).await?;
                    }
                }
                Event::Barrier(barrier) => {
                    self.answer(barrier).await?;
                    if barrier.last {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn next(&mut self) -> Result<Event, JobError> {
        match &mut self.input {
            Input::Source(input) => next_of_source(input, &mut self.watermark).await,
            Input::Exchange(receiver) => Ok(match receiver.next().await? {
                Received::Rows(envelope) => Event::Rows(vec![envelope], None),
                Received::Watermark(watermark) => Event::Rows(Vec::new(), Some(watermark)),
                Received::Barrier(barrier) => Event::Barrier(barrier),
                Received::End => Event::End,
            }),
        }
    }

    fn note_input(&mut self, rows: &[Envelope]) {
        let Input::Source(input) = &self.input else { return };
        for envelope in rows {
            let count = envelope.rows();
            match envelope.route {
                Route::Late => {
                    self.counts.late += count;
                    self.chain.metrics().late.add(count);
                    if !self.sinks.contains_key(&Route::Late) {
                        self.chain.metrics().dropped_late.add(count);
                    }
                }
                Route::Dead => {
                    self.counts.dead += count;
                    self.chain.metrics().dropped_dead.add(count);
                    continue;
                }
                Route::Main => {}
            }
            self.counts.rows_in += count;
        }
        self.counts.batches += u64::from(!rows.is_empty());
        let oldest = rows.iter().map(|envelope| envelope.arrived_at).min();
        self.counts.oldest_arrival = [self.counts.oldest_arrival, oldest].into_iter().flatten().min();
        let stats = self.chain.stats();
        stats.lag_events.store(input.source.lag_events(), Ordering::Relaxed);
        stats.watermark.store(self.watermark, Ordering::Relaxed);
        if let Some(newest) = input.source.newest_event_time() {
            stats.newest_event_time.fetch_max(newest, Ordering::Relaxed);
        }
        if let Some(progress) = input.source.progress() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
            stats.progress_ppm.store((progress.clamp(0.0, 1.0) * 1e6) as u64, Ordering::Relaxed);
        }
    }

    /// Hands rows on: to the owners of their keys, or to the sink of their route.
    async fn deliver(&mut self, out: &mut Vec<Envelope>) -> Result<(), JobError> {
        let stats = Arc::clone(self.chain.stats());
        for envelope in out.drain(..) {
            if envelope.route == Route::Main
                && let Some(exchange) = &mut self.exchange
            {
                exchange.rows(envelope).await?;
                continue;
            }
            let Some(sink) = self.sinks.get_mut(&envelope.route) else { continue };
            let bytes = write(sink.as_mut(), &envelope, &self.spans, &stats).await?;
            self.counts.bytes_out += bytes;
            self.counts.trace = envelope.trace.or(self.counts.trace);
            if envelope.route == Route::Main {
                self.counts.rows_out += envelope.rows();
            }
        }
        Ok(())
    }

    async fn answer(&mut self, barrier: Barrier) -> Result<(), JobError> {
        if let Some(exchange) = &mut self.exchange {
            exchange.broadcast(|| Message::Barrier(barrier)).await?;
        }
        let position = match &self.input {
            Input::Source(input) => Some(input.source.position()),
            Input::Exchange(_) => None,
        };
        let snapshot = self.chain.snapshot()?;
        let stats = Arc::clone(self.chain.stats());
        let mut flushed = Flushed::default();
        for sink in self.sinks.values_mut() {
            let part = flush(sink.as_mut(), &stats).await?;
            flushed.streams.extend(part.streams);
            flushed.outputs.extend(part.outputs);
            flushed.files.extend(part.files);
            flushed.dirty.extend(part.dirty);
            flushed.dirty_dirs.extend(part.dirty_dirs);
        }
        let counts = std::mem::take(&mut self.counts);
        let (sections, live) = (snapshot.sections, snapshot.live);
        let part = Part { task: self.index, position, sections, live, flushed, counts };
        tracing::trace!(epoch = barrier.epoch, task = self.index, "barrier answered");
        report(&self.reports, Report::Part(Box::new(part))).await
    }
}

async fn report(reports: &mpsc::Sender<Report>, report: Report) -> Result<(), JobError> {
    reports.send(report).await.map_err(|_closed| JobError::Stopped)
}

async fn next_of_source(input: &mut SourceInput, watermark: &mut i64) -> Result<Event, JobError> {
    loop {
        // Barriers first: a busy source must not keep an epoch open.
        if let Ok(barrier) = input.barriers.try_recv() {
            return Ok(Event::Barrier(barrier));
        }
        input.commits.mark_unchanged();
        let wait = match input.source.poll()? {
            SourcePoll::Rows(rows) => {
                let reached = input.source.watermark();
                let raised = (reached > *watermark && reached != WATERMARK_END).then_some(reached);
                *watermark = raised.unwrap_or(*watermark);
                return Ok(Event::Rows(rows, raised));
            }
            SourcePoll::End if *watermark != WATERMARK_END => {
                *watermark = WATERMARK_END;
                return Ok(Event::End);
            }
            SourcePoll::End => None,
            SourcePoll::WaitFor(pause) => Some(pause),
            SourcePoll::WaitForCommit => {
                let reached = input.source.watermark();
                if reached > (*watermark) && reached != WATERMARK_END {
                    *watermark = reached;
                    return Ok(Event::Rows(Vec::new(), Some(reached)));
                }
                tokio::select! {
                    biased;
                    barrier = input.barriers.recv() => return barrier.map(Event::Barrier).ok_or(JobError::Stopped),
                    changed = tokio::time::timeout(COMMIT_POLL, input.commits.changed()) => {
                        if matches!(changed, Ok(Err(_))) { return Err(JobError::Stopped); }
                        continue;
                    }
                }
            }
        };
        let barrier = match wait {
            None => Ok(input.barriers.recv().await),
            Some(pause) => tokio::time::timeout(pause, input.barriers.recv()).await,
        };
        match barrier {
            Ok(Some(barrier)) => return Ok(Event::Barrier(barrier)),
            Ok(None) => return Err(JobError::Stopped),
            Err(_pause_is_over) => {}
        }
    }
}

/// Writes with a span around it; a full disk is waited out.
async fn write(sink: &mut dyn Sink, envelope: &Envelope, tracer: &Spans, stats: &JobStats) -> Result<u64, JobError> {
    let mut span = match envelope.trace {
        Some(parent) => tracer.start(sink.name()).parent(parent).start(),
        None => tracer.suppressed().start(spans::SINK).root().start(),
    };
    loop {
        match sink.write(envelope) {
            Ok(bytes) => {
                if span.is_recording() {
                    span.set_attribute(attributes::ROWS, to_i64(envelope.rows()));
                    span.set_attribute(attributes::BYTES, to_i64(bytes));
                }
                return Ok(bytes);
            }
            Err(error) if error.is_disk_full() => wait_for_room(stats).await,
            Err(error) => {
                span.record_error(&error, error.kind());
                return Err(error);
            }
        }
    }
}

async fn flush(sink: &mut dyn Sink, stats: &JobStats) -> Result<Flushed, JobError> {
    loop {
        match sink.flush() {
            Err(error) if error.is_disk_full() => wait_for_room(stats).await,
            outcome => return outcome,
        }
    }
}

async fn wait_for_room(stats: &JobStats) {
    if stats.state().0 != JobState::DiskFull {
        stats.set_state(JobState::DiskFull, None);
        tracing::warn!("the disk is full: writing waits until there is room");
    }
    tokio::time::sleep(DISK_FULL_RETRY).await;
    stats.set_state(JobState::Running, None);
}
