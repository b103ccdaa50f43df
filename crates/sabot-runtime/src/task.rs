//! One task of a job: reads its input, pushes it through its chain, writes what comes out, answers barriers.
//!
//! A task ends after the last barrier, with an error, or as soon as its job is gone; it never outlives its job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::Timestamp;
use sabot_store::Section;
use sabot_telemetry::TraceContext;
use tokio::sync::{mpsc, watch};

use crate::activity::Activity;
use crate::chain::{Chain, to_f64};
use crate::exchange::{Message, Received, Receiver, Sender};
use crate::sink::MAX_TRACES;
use crate::{
    Envelope, Flushed, JobError, JobStats, Position, Route, Sink, Source, SourcePoll, WATERMARK_END, WATERMARK_NONE,
};

/// Pause before a write is tried again on a full disk.
pub(crate) const DISK_FULL_RETRY: Duration = Duration::from_millis(200);
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

/// Batches of an epoch that share a trace at most, so that a trace can be looked at, and one at full speed costs no more
/// than a burst of spans may.
const MAX_BATCHES: usize = 64;

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
    /// Spans of its batches, the first few.
    pub(crate) batch_traces: Vec<TraceContext>,
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
    pub(crate) watermark: i64,
}

/// One task.
pub(crate) struct Task {
    pub(crate) index: usize,
    pub(crate) input: Input,
    pub(crate) chain: Chain,
    pub(crate) exchange: Option<Sender>,
    pub(crate) outputs: Outputs,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) counts: Counts,
    /// The first of the batches of an epoch that make up one trace, and how many they are.
    pub(crate) lead: Option<(TraceContext, usize)>,
}

/// The sinks of a task.
pub(crate) struct Outputs {
    pub(crate) sinks: BTreeMap<Route, Box<dyn Sink>>,
    pub(crate) stats: Arc<JobStats>,
    pub(crate) activity: Arc<Activity>,
    /// Closed when the job is gone.
    pub(crate) reports: mpsc::Sender<Report>,
}

enum Event {
    Rows(Vec<Envelope>, Option<i64>),
    Barrier(Barrier),
    End,
}

impl Task {
    /// Runs until the last barrier or a failure.
    pub(crate) async fn run(mut self) -> Result<(), JobError> {
        let mut out = Vec::new();
        loop {
            match self.next().await? {
                Event::Rows(rows, watermark) => {
                    self.push(rows, watermark, &mut out)?;
                    self.deliver(&mut out).await?;
                    if let (Some(watermark), Some(exchange)) = (watermark, &mut self.exchange) {
                        exchange.broadcast(|| Message::Watermark(watermark)).await?;
                    }
                    self.outputs.activity.changed();
                    // A batch can take milliseconds: let the other tasks of this thread have their turn.
                    tokio::task::consume_budget().await;
                }
                Event::End => {
                    self.chain.push(&mut Vec::new(), Some(WATERMARK_END), &mut out)?;
                    self.deliver(&mut out).await?;
                    if let Some(exchange) = &mut self.exchange {
                        exchange.broadcast(|| Message::End).await?;
                    }
                    self.outputs.activity.changed();
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
            Input::Source(input) => input.next().await,
            Input::Exchange(receiver) => Ok(match receiver.next().await? {
                Received::Rows(envelope) => Event::Rows(vec![envelope], None),
                Received::Watermark(watermark) => Event::Rows(Vec::new(), Some(watermark)),
                Received::Barrier(barrier) => Event::Barrier(barrier),
                Received::End => Event::End,
            }),
        }
    }

    /// Pushes rows through the chain. What is counted per batch is counted where rows come in, and there alone.
    fn push(&mut self, mut rows: Vec<Envelope>, mark: Option<i64>, out: &mut Vec<Envelope>) -> Result<(), JobError> {
        let Input::Source(input) = &self.input else {
            return self.chain.push(&mut rows, mark, out).map(drop);
        };
        self.chain.context().stats.note_source(self.index, input.source.as_ref(), input.watermark);
        let main: u64 = rows.iter().filter(|row| row.route == Route::Main).map(Envelope::rows).sum();
        self.note_input(&rows);
        rows.retain(|row| row.route != Route::LeftOut);
        let leads = rows.first().is_some_and(|row| row.trace.is_none()) && !self.join_lead(&mut rows);
        let start = self.chain.context().clock.monotonic();
        let trace = self.chain.push(&mut rows, mark, out)?;
        if leads {
            // Also one that is not recorded: the decision is the trace's, not each batch's.
            self.lead = trace.map(|trace| (trace, 1));
        }
        let trace = trace.filter(TraceContext::is_sampled);
        if let Some(trace) = trace
            && self.counts.batch_traces.len() < MAX_TRACES
        {
            self.counts.batch_traces.push(trace);
        }
        if main > 0 {
            let context = self.chain.context();
            let took = context.clock.monotonic().saturating_sub(start).as_secs_f64();
            context.metrics.batch_rows.observe(to_f64(main));
            match trace {
                Some(trace) => context.metrics.processing.observe_with_exemplar(took, trace),
                None => context.metrics.processing.observe(took),
            }
        }
        Ok(())
    }

    /// Batches with which nothing was traced before go on with the trace of the first of their epoch: they are written and
    /// committed together, and each as a trace of its own would end before that. False when there is none to join.
    fn join_lead(&mut self, rows: &mut [Envelope]) -> bool {
        let Some((lead, batches)) = self.lead.as_mut().filter(|(_, batches)| *batches < MAX_BATCHES) else {
            return false;
        };
        for row in rows {
            row.trace = Some(*lead);
        }
        *batches += 1;
        true
    }

    fn note_input(&mut self, rows: &[Envelope]) {
        let metrics = &self.chain.context().metrics;
        for envelope in rows {
            let count = envelope.rows();
            match envelope.route {
                Route::Late => {
                    self.counts.late += count;
                    metrics.late.add(count);
                    if !self.outputs.sinks.contains_key(&Route::Late) {
                        metrics.dropped_late.add(count);
                    }
                }
                Route::Dead => {
                    self.counts.dead += count;
                    metrics.dropped_dead.add(count);
                    continue;
                }
                Route::Main | Route::LeftOut => {}
            }
            self.counts.rows_in += count;
        }
        self.counts.batches += u64::from(!rows.is_empty());
        let oldest = rows.iter().map(|envelope| envelope.arrived_at).min();
        self.counts.oldest_arrival = [self.counts.oldest_arrival, oldest].into_iter().flatten().min();
    }

    /// Hands rows on: to the owners of their keys, or to the sink of their route.
    async fn deliver(&mut self, out: &mut Vec<Envelope>) -> Result<(), JobError> {
        for envelope in out.drain(..) {
            if envelope.route == Route::Main
                && let Some(exchange) = &mut self.exchange
            {
                exchange.rows(envelope).await?;
                continue;
            }
            if envelope.route == Route::Main {
                self.counts.rows_out += envelope.rows();
            }
            self.counts.bytes_out += self.outputs.write(&envelope).await?;
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
        let flushed = self.outputs.flush().await?;
        self.lead = None;
        let mut counts = std::mem::take(&mut self.counts);
        counts.bytes_out += flushed.bytes;
        let (sections, live) = (snapshot.sections, snapshot.live);
        let part = Part { task: self.index, position, sections, live, flushed, counts };
        tracing::trace!(epoch = barrier.epoch, task = self.index, "barrier answered");
        report(&self.reports, Report::Part(Box::new(part))).await
    }
}

async fn report(reports: &mpsc::Sender<Report>, report: Report) -> Result<(), JobError> {
    reports.send(report).await.map_err(|_closed| JobError::Stopped)
}

impl SourceInput {
    async fn next(&mut self) -> Result<Event, JobError> {
        loop {
            // Barriers first: a busy source must not keep an epoch open, and one whose job is gone must not go on.
            match self.barriers.try_recv() {
                Ok(barrier) => return Ok(Event::Barrier(barrier)),
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(JobError::Stopped),
                Err(mpsc::error::TryRecvError::Empty) => {}
            }
            self.commits.mark_unchanged();
            let wait = match self.source.poll()? {
                SourcePoll::Rows(rows) => return Ok(Event::Rows(rows, self.raised())),
                SourcePoll::End if self.watermark != WATERMARK_END => {
                    self.watermark = WATERMARK_END;
                    return Ok(Event::End);
                }
                SourcePoll::End => None,
                SourcePoll::WaitFor(pause) => Some(pause),
                SourcePoll::WaitForCommit => match self.raised() {
                    Some(reached) => return Ok(Event::Rows(Vec::new(), Some(reached))),
                    None => match self.commit_or_barrier().await? {
                        Some(barrier) => return Ok(Event::Barrier(barrier)),
                        None => continue,
                    },
                },
            };
            let barrier = match wait {
                None => Ok(self.barriers.recv().await),
                Some(pause) => tokio::time::timeout(pause, self.barriers.recv()).await,
            };
            match barrier {
                Ok(barrier) => return barrier.map(Event::Barrier).ok_or(JobError::Stopped),
                Err(_pause_is_over) => {}
            }
        }
    }

    /// The source's watermark, if it has risen since the last time.
    fn raised(&mut self) -> Option<i64> {
        let reached = self.source.watermark();
        let has_risen = reached > self.watermark && reached != WATERMARK_END && reached != WATERMARK_NONE;
        has_risen.then(|| {
            self.watermark = reached;
            reached
        })
    }

    async fn commit_or_barrier(&mut self) -> Result<Option<Barrier>, JobError> {
        tokio::select! {
            biased;
            barrier = self.barriers.recv() => barrier.map(Some).ok_or(JobError::Stopped),
            changed = tokio::time::timeout(COMMIT_POLL, self.commits.changed()) => match changed {
                Ok(Err(_)) => Err(JobError::Stopped),
                Ok(Ok(())) | Err(_) => Ok(None),
            },
        }
    }
}

impl Outputs {
    /// Writes to the sink of a route, if there is one; a full disk is waited out.
    async fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        let Some(sink) = self.sinks.get_mut(&envelope.route) else { return Ok(0) };
        let bytes = match sink.write(envelope) {
            Err(error) if error.is_disk_full() => self.insist(envelope).await?,
            outcome => outcome?,
        };
        self.activity.wrote(bytes);
        Ok(bytes)
    }

    async fn insist(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        let Some(sink) = self.sinks.get_mut(&envelope.route) else { return Ok(0) };
        loop {
            wait_for_room(&self.stats, &self.reports).await?;
            match sink.write(envelope) {
                Err(error) if error.is_disk_full() => {}
                outcome => {
                    self.stats.set_disk_full(false);
                    return outcome;
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<Flushed, JobError> {
        let mut flushed = Flushed::default();
        for sink in self.sinks.values_mut() {
            let part = loop {
                match sink.flush() {
                    Err(error) if error.is_disk_full() => wait_for_room(&self.stats, &self.reports).await?,
                    outcome => break outcome?,
                }
            };
            flushed.append(part);
        }
        self.stats.set_disk_full(false);
        Ok(flushed)
    }
}

/// Waits a little for room on the disk; an error when the job has gone meanwhile.
async fn wait_for_room(stats: &JobStats, reports: &mpsc::Sender<Report>) -> Result<(), JobError> {
    stats.set_disk_full(true);
    tokio::select! {
        () = reports.closed() => Err(JobError::Stopped),
        () = tokio::time::sleep(DISK_FULL_RETRY) => Ok(()),
    }
}
