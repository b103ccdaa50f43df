//! Reading a stream: committed batches of some of its partitions, in event-time order across them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use sabot_runtime::{Envelope, JobError, Position, Source, SourcePoll, WATERMARK_END, WATERMARK_NONE, admit_cause};
use sabot_store::{CommitRecord, Frame, InputPosition, PartitionReader, Store, StoreError};
use sabot_telemetry::TraceContext;

use super::intake::{Intake, Origin};

/// Rows a batch should have; smaller frames are put together.
const BATCH_ROWS: usize = 8_192;
/// Below this a frame is put together with the next.
const SMALL_FRAME_ROWS: usize = 4_096;
/// Producers linked to one batch.
const MAX_LINKS: usize = 8;

/// What a stream source reads and how.
pub(crate) struct StreamSourceSpec {
    pub(crate) store: Arc<Store>,
    /// The partitions of this instance.
    pub(crate) partitions: Vec<u32>,
    pub(crate) intake: Intake,
}

/// Some partitions of a stream.
pub(crate) struct StreamSource {
    spec: StreamSourceSpec,
    partitions: Vec<Partition>,
}

struct Partition {
    number: u32,
    reader: PartitionReader,
    /// Newest event time read.
    newest: i64,
    /// The stream is finished and this partition read to its end.
    ended: bool,
}

impl StreamSource {
    /// Opens the partitions where `record` left them.
    pub(crate) fn open(spec: StreamSourceSpec, record: Option<&CommitRecord>) -> Result<Self, StoreError> {
        let mut partitions = Vec::new();
        for number in &spec.partitions {
            let known = |input: &&InputPosition| input.stream == spec.intake.stream() && input.partition == *number;
            let at = record.and_then(|record| record.inputs.iter().find(known));
            let reader = spec.store.reader(spec.intake.stream(), *number, at.map_or(0, |at| at.offset))?;
            let newest = at.and_then(|at| at.max_event_time).unwrap_or(WATERMARK_NONE);
            partitions.push(Partition { number: *number, reader, newest, ended: false });
        }
        Ok(Self { spec, partitions })
    }

    /// The partition furthest behind in event time that has rows, with them. Reading the slowest first keeps windows
    /// from piling up behind it.
    fn next_frames(&mut self) -> Result<Option<(usize, Vec<Frame>)>, JobError> {
        let mut order: Vec<usize> = (0..self.partitions.len()).collect();
        order.sort_by_key(|index| self.partitions.get(*index).map(|p| (p.newest, p.number)));
        for index in order {
            let Some(partition) = self.partitions.get_mut(index).filter(|p| !p.ended) else { continue };
            let mut frames = Vec::new();
            let mut rows = 0;
            while rows < SMALL_FRAME_ROWS
                && let Some(frame) = partition.reader.next(BATCH_ROWS - rows)?
            {
                rows += frame.batch.num_rows();
                frames.push(frame);
            }
            if !frames.is_empty() {
                return Ok(Some((index, frames)));
            }
        }
        Ok(None)
    }

    /// Marks partitions that are read to the end of a finished stream; true when all are.
    fn note_ends(&mut self) -> bool {
        let Some(stream) = self.spec.store.stream(self.spec.intake.stream()) else { return false };
        if stream.finished {
            for partition in &mut self.partitions {
                let latest = stream.partitions.get(partition.number as usize).map(|p| p.latest);
                partition.ended = latest == Some(partition.reader.offset());
            }
        }
        self.partitions.iter().all(|partition| partition.ended)
    }

    fn envelopes(&mut self, index: usize, frames: &[Frame]) -> Result<Vec<Envelope>, JobError> {
        let batch = joined(frames)?;
        let Some(partition) = self.partitions.get_mut(index) else { return Ok(Vec::new()) };
        let origin = origin_of(partition.number, frames);
        self.spec.intake.envelopes(batch, &mut partition.newest, &origin)
    }
}

fn joined(frames: &[Frame]) -> Result<RecordBatch, JobError> {
    match frames {
        [only] => Ok(only.batch.clone()),
        [first, ..] => concat_batches(first.batch.schema_ref(), frames.iter().map(|frame| &frame.batch))
            .map_err(|error| JobError::operator("source", error)),
        [] => Err(JobError::Stopped),
    }
}

/// The spans that wrote the frames, and when the oldest arrived.
fn origin_of(partition: u32, frames: &[Frame]) -> Origin {
    let mut traces = Vec::new();
    for trace in frames.iter().filter_map(|frame| TraceContext::from_bytes(frame.meta.trace?)) {
        if admit_cause(&mut traces, &trace) {
            traces.push(trace);
        }
    }
    let trace = traces.first().copied();
    let links = traces.into_iter().filter(|other| Some(*other) != trace).take(MAX_LINKS).collect();
    let arrived_at = frames.iter().map(|frame| frame.meta.appended_at).min().unwrap_or_default();
    Origin { partition, trace, links, arrived_at }
}

impl Source for StreamSource {
    fn poll(&mut self) -> Result<SourcePoll, JobError> {
        // Ask for the end first: rows committed after the question would be read by the next poll.
        let all_ended = self.note_ends();
        match self.next_frames()? {
            Some((index, frames)) => self.envelopes(index, &frames).map(SourcePoll::Rows),
            None if all_ended => Ok(SourcePoll::End),
            None => Ok(SourcePoll::WaitForCommit),
        }
    }

    fn watermark(&self) -> i64 {
        let of = |partition: &Partition| match self.spec.intake.watermark(partition.newest) {
            _ if partition.ended => WATERMARK_END,
            watermark => watermark.unwrap_or(WATERMARK_NONE),
        };
        self.partitions.iter().map(of).min().unwrap_or(WATERMARK_END)
    }

    fn position(&self) -> Position {
        let inputs = self.partitions.iter().map(|partition| InputPosition {
            stream: self.spec.intake.stream().to_owned(),
            partition: partition.number,
            offset: partition.reader.offset(),
            watermark: if partition.ended { Some(WATERMARK_END) } else { self.spec.intake.watermark(partition.newest) },
            max_event_time: Some(partition.newest).filter(|newest| *newest != WATERMARK_NONE),
        });
        Position { inputs: inputs.collect(), extra: None }
    }

    fn lag_events(&self) -> u64 {
        let Some(stream) = self.spec.store.stream(self.spec.intake.stream()) else { return 0 };
        let lag = |partition: &Partition| {
            let latest = stream.partitions.get(partition.number as usize).map_or(0, |p| p.latest);
            latest.saturating_sub(partition.reader.offset())
        };
        self.partitions.iter().map(lag).sum()
    }

    fn newest_event_time(&self) -> Option<i64> {
        self.partitions.iter().map(|p| p.newest).max().filter(|newest| *newest != WATERMARK_NONE)
    }
}
