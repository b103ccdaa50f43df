//! What a job has done so far, readable at any time without stopping it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Source, WATERMARK_NONE};

/// Counters of one job. Writers are its tasks; readers are status pages.
#[derive(Debug)]
pub struct JobStats {
    /// Rows read and committed.
    pub rows_in: AtomicU64,
    /// Rows written to the main output and committed.
    pub rows_out: AtomicU64,
    /// Rows behind their partition's watermark.
    pub late: AtomicU64,
    /// Rows that did not fit the schema.
    pub dead: AtomicU64,
    /// Errors of any kind.
    pub errors: AtomicU64,
    /// Bytes written to outputs.
    pub bytes_out: AtomicU64,
    /// Newest event time, microseconds.
    pub newest_event_time: AtomicI64,
    /// Last committed epoch.
    pub epoch: AtomicU64,
    /// Nanoseconds from the job's start to its last commit, those of earlier jobs included.
    pub active_nanos: AtomicU64,
    /// Those of earlier jobs.
    earlier_nanos: AtomicU64,
    /// Memory held by the state of the operators of all tasks.
    pub state_bytes: AtomicU64,
    /// One per operator of the chain, in order.
    pub operators: Vec<OperatorStats>,
    /// One per source task.
    sources: Vec<SourceStats>,
    state: Mutex<(JobState, Option<String>)>,
}

/// Where one source task stands.
#[derive(Debug)]
struct SourceStats {
    lag_events: AtomicU64,
    watermark: AtomicI64,
    /// Millionths of a bounded source given; `u64::MAX` when unknown.
    progress_ppm: AtomicU64,
}

/// Counters of one operator.
#[derive(Debug)]
pub struct OperatorStats {
    /// Its name.
    pub name: &'static str,
    /// Rows in.
    pub rows_in: AtomicU64,
    /// Rows out.
    pub rows_out: AtomicU64,
    /// Time spent in it.
    pub busy_nanos: AtomicU64,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waiting for tables it joins to be loaded.
    Waiting,
    /// Processing.
    Running,
    /// Paused until the disk has room.
    DiskFull,
    /// Committing what is in flight, on request, before it stops.
    Draining,
    /// Drained on request.
    Stopped,
    /// Its bounded input is processed and committed.
    Finished,
    /// Ended by an error.
    Failed,
}

impl JobState {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Running, Self::DiskFull, Self::Draining, Self::Stopped, Self::Finished, Self::Failed];

    /// The word used in output and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::DiskFull => "disk_full",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// Whether it will do nothing more by itself.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Finished | Self::Failed)
    }
}

impl JobStats {
    /// Fresh counters for a job of this many source tasks whose chains have these operators.
    pub fn new(operators: &[&'static str], sources: usize) -> Self {
        let source = |_| SourceStats {
            lag_events: AtomicU64::new(0),
            watermark: AtomicI64::new(WATERMARK_NONE),
            progress_ppm: AtomicU64::new(u64::MAX),
        };
        let operator = |name: &&'static str| OperatorStats {
            name,
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
        };
        Self {
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            late: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            newest_event_time: AtomicI64::new(WATERMARK_NONE),
            epoch: AtomicU64::new(0),
            active_nanos: AtomicU64::new(0),
            earlier_nanos: AtomicU64::new(0),
            state_bytes: AtomicU64::new(0),
            operators: operators.iter().map(operator).collect(),
            sources: (0..sources).map(source).collect(),
            state: Mutex::new((JobState::Waiting, None)),
        }
    }

    /// Goes on counting where an earlier job of the same agent ended.
    pub fn carry_on(&self, earlier: &Self) {
        for (ours, theirs) in [
            (&self.rows_in, &earlier.rows_in),
            (&self.rows_out, &earlier.rows_out),
            (&self.late, &earlier.late),
            (&self.dead, &earlier.dead),
            (&self.errors, &earlier.errors),
            (&self.bytes_out, &earlier.bytes_out),
            (&self.active_nanos, &earlier.active_nanos),
            (&self.earlier_nanos, &earlier.active_nanos),
        ] {
            ours.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The job was active for so long.
    pub(crate) fn note_active(&self, active: Duration) {
        let nanos = u64::try_from(active.as_nanos()).unwrap_or(u64::MAX);
        self.active_nanos.store(nanos.saturating_add(self.earlier_nanos.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    /// A task's part of the state has changed from `before`, which becomes `now`.
    pub(crate) fn replace_state_bytes(&self, before: &mut u64, now: u64) {
        // Wraps in between where it shrinks; the sum over all tasks does not.
        self.state_bytes.fetch_add(now.wrapping_sub(*before), Ordering::Relaxed);
        *before = now;
    }

    /// The state, and the error that led to it if it failed.
    pub fn state(&self) -> (JobState, Option<String>) {
        self.state.lock().map_or((JobState::Failed, None), |state| state.clone())
    }

    /// Moves to a state.
    pub fn set_state(&self, state: JobState, error: Option<String>) {
        if error.is_some() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        if let Ok(mut current) = self.state.lock() {
            *current = (state, error);
        }
    }

    /// It was asked to drain. Only a running job says so: what waits for the disk still does.
    pub(crate) fn set_draining(&self) {
        if let Ok(mut current) = self.state.lock()
            && current.0 == JobState::Running
        {
            current.0 = JobState::Draining;
        }
    }

    /// The disk has become full, or has room again. Neither changes a state other than running and disk full.
    pub(crate) fn set_disk_full(&self, full: bool) {
        let (from, to) =
            if full { (JobState::Running, JobState::DiskFull) } else { (JobState::DiskFull, JobState::Running) };
        if let Ok(mut current) = self.state.lock()
            && current.0 == from
        {
            current.0 = to;
            if full {
                tracing::warn!("the disk is full: writing waits until there is room");
            }
        }
    }

    /// Where a source task stands.
    pub(crate) fn note_source(&self, task: usize, source: &dyn Source, watermark: i64) {
        let Some(stats) = self.sources.get(task) else { return };
        stats.lag_events.store(source.lag_events(), Ordering::Relaxed);
        stats.watermark.store(watermark, Ordering::Relaxed);
        if let Some(newest) = source.newest_event_time() {
            self.newest_event_time.fetch_max(newest, Ordering::Relaxed);
        }
        if let Some(progress) = source.progress() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
            stats.progress_ppm.store((progress.clamp(0.0, 1.0) * 1e6) as u64, Ordering::Relaxed);
        }
    }

    /// Committed rows not read yet.
    pub fn lag_events(&self) -> u64 {
        self.sources.iter().map(|source| source.lag_events.load(Ordering::Relaxed)).sum()
    }

    /// The share of a bounded source given so far: that of the task that is furthest behind.
    #[expect(clippy::cast_precision_loss, reason = "millionths fit exactly")]
    pub fn progress(&self) -> Option<f64> {
        let least = self.sources.iter().map(|source| source.progress_ppm.load(Ordering::Relaxed)).min()?;
        (least != u64::MAX).then_some(least as f64 / 1e6)
    }

    /// The lowest watermark, once there is one and until the sources have ended.
    pub fn watermark_micros(&self) -> Option<i64> {
        let lowest = self.sources.iter().map(|source| source.watermark.load(Ordering::Relaxed)).min()?;
        (lowest != WATERMARK_NONE && lowest != crate::WATERMARK_END).then_some(lowest)
    }
}

#[cfg(test)]
mod tests;
