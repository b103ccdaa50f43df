//! A stream, or a table's changelog: rows are buffered to frames of a useful size and appended per partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, max, min};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use sabot_common::clock::{SharedClock, Timestamp};
use sabot_runtime::{Envelope, Flushed, JobError, Sink};
use sabot_sql::to_plain;
use sabot_store::{FrameMeta, OutputEnd, PartitionWriter, Store, StoreError, StreamSpec};
use sabot_telemetry::TraceContext;

/// Rows after which a frame is written without waiting for the barrier.
const FRAME_ROWS: usize = 8_192;

/// Which stream a sink writes, and what it needs to open it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) store: Arc<Store>,
    pub(crate) spec: StreamSpec,
    /// The agent that owns it.
    pub(crate) owner: String,
    pub(crate) clock: SharedClock,
    /// Wait for the first row before the stream is made: for outputs that often stay empty.
    pub(crate) lazy: bool,
}

/// Appends rows to a stream; this task's share of its partitions.
pub(crate) struct StreamSink {
    target: Target,
    event_time: Option<usize>,
    partitions: BTreeMap<u32, Partition>,
    created: bool,
}

/// One partition's writer and the rows that wait for a frame.
struct Partition {
    writer: PartitionWriter,
    waiting: Vec<RecordBatch>,
    rows: usize,
    meta: FrameMeta,
    /// Its end has moved since the last flush, or has never been reported.
    reported: Option<OutputEnd>,
}

impl StreamSink {
    pub(crate) fn open(target: Target) -> Result<Self, StoreError> {
        let event_time = target.spec.event_time.as_ref().and_then(|name| target.spec.schema.index_of(name).ok());
        let created = !target.lazy || target.store.stream(&target.spec.name).is_some();
        if !target.lazy {
            target.store.create_stream(target.spec.clone())?;
        }
        Ok(Self { target, event_time, partitions: BTreeMap::new(), created })
    }

    fn partition(&mut self, number: u32) -> Result<&mut Partition, JobError> {
        let number = number % self.target.spec.partitions.max(1);
        if !self.created {
            self.target.store.create_stream(self.target.spec.clone())?;
            self.created = true;
        }
        match self.partitions.entry(number) {
            std::collections::btree_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let writer = self.target.store.writer(&self.target.spec.name, number, &self.target.owner)?;
                let partition =
                    Partition { writer, waiting: Vec::new(), rows: 0, meta: FrameMeta::default(), reported: None };
                Ok(place.insert(partition))
            }
        }
    }

    /// Smallest and largest event time of a batch.
    fn event_times(&self, batch: &RecordBatch) -> Option<(i64, i64)> {
        let column = batch.column(self.event_time?).as_primitive_opt::<TimestampMicrosecondType>()?;
        let column = column.reinterpret_cast::<Int64Type>();
        Some((min(&column)?, max(&column)?))
    }
}

impl Sink for StreamSink {
    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        let schema = SchemaRef::clone(&self.target.spec.schema);
        let batch = to_plain(&envelope.batch, &schema).map_err(|error| JobError::operator("sink", error))?;
        let times = self.event_times(&batch);
        let now = self.target.clock.now();
        let partition = self.partition(envelope.partition)?;
        let mut written = 0;
        if partition.rows > 0 && partition.rows + batch.num_rows() > FRAME_ROWS {
            written += partition.write_frame(&schema)?;
        }
        partition.add(batch, envelope, times, now);
        Ok(written)
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        let schema = SchemaRef::clone(&self.target.spec.schema);
        // All frames first: when one does not fit, nothing has been reported that a second call would leave out.
        for partition in self.partitions.values_mut() {
            partition.write_frame(&schema)?;
        }
        let mut flushed = Flushed::default();
        if self.created {
            flushed.streams.push(self.target.spec.name.clone());
        }
        for partition in self.partitions.values_mut() {
            let end = partition.writer.end();
            let (files, dirs) = partition.writer.take_dirty();
            flushed.dirty.extend(files);
            flushed.dirty_dirs.extend(dirs);
            if partition.reported.as_ref() != Some(&end) {
                partition.reported = Some(end.clone());
                flushed.outputs.push(end);
            }
        }
        Ok(flushed)
    }
}

impl Partition {
    fn add(&mut self, batch: RecordBatch, envelope: &Envelope, times: Option<(i64, i64)>, now: Timestamp) {
        if self.waiting.is_empty() {
            self.meta = FrameMeta {
                trace: envelope.trace.map(TraceContext::to_bytes),
                appended_at: now,
                ..FrameMeta::default()
            };
        }
        if let Some((low, high)) = times {
            self.meta.min_event_time = self.meta.min_event_time.min(low);
            self.meta.max_event_time = self.meta.max_event_time.max(high);
        }
        self.rows += batch.num_rows();
        self.waiting.push(batch);
    }

    /// Appends what waits as one frame; on failure it still waits.
    fn write_frame(&mut self, schema: &SchemaRef) -> Result<u64, JobError> {
        let batch = match self.waiting.as_slice() {
            [] => return Ok(0),
            [only] => only.clone(),
            several => concat_batches(schema, several).map_err(|error| JobError::operator("sink", error))?,
        };
        let bytes = self.writer.append(&batch, &self.meta)?;
        self.waiting.clear();
        self.rows = 0;
        Ok(bytes)
    }
}
