//! A stream, or a table's changelog: rows are buffered to frames of a useful size and appended per partition.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{concat_batches, max, min};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use sabot_common::clock::SharedClock;
use sabot_common::registry::attributes;
use sabot_runtime::{Envelope, Flushed, JobError, Sink, SinkTracer, admit_cause};
use sabot_sql::to_plain;
use sabot_store::{FrameMeta, OutputEnd, PartitionWriter, Store, StoreError, StreamSpec, size_of_rows};
use sabot_telemetry::{Spans, TraceContext};

/// Rows after which a frame is written without waiting for the barrier.
const FRAME_ROWS: usize = 8_192;
/// Bytes of rows after which it is; a frame holds 1 GiB.
const FRAME_BYTES: usize = 64 << 20;
/// Batches that the span of a frame is linked to.
const MAX_LINKS: usize = 32;

/// Which stream a sink writes, and what it needs to open it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) store: Arc<Store>,
    pub(crate) spec: StreamSpec,
    /// The agent that owns it.
    pub(crate) owner: String,
    pub(crate) spans: Spans,
    pub(crate) clock: SharedClock,
    /// Wait for the first row before the stream is made: for outputs that often stay empty.
    pub(crate) lazy: bool,
}

/// Appends rows to a stream; this task's share of its partitions.
pub(crate) struct StreamSink {
    target: Target,
    tracer: SinkTracer,
    event_time: Option<usize>,
    partitions: BTreeMap<u32, Partition>,
    created: bool,
}

/// One partition's writer and the rows that wait for a frame.
struct Partition {
    writer: PartitionWriter,
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    meta: FrameMeta,
    /// Spans of the batches that wait, the first few.
    traces: Vec<TraceContext>,
    /// Bytes appended and not told yet.
    written: u64,
    /// The end that was reported last.
    reported: Option<OutputEnd>,
}

impl StreamSink {
    pub(crate) fn open(target: Target) -> Result<Self, StoreError> {
        let event_time = target.spec.event_time.as_ref().and_then(|name| target.spec.schema.index_of(name).ok());
        let created = !target.lazy || target.store.stream(&target.spec.name).is_some();
        if !target.lazy {
            target.store.create_stream(target.spec.clone())?;
        }
        let tracer = SinkTracer::new(target.spans.clone(), &target.owner, &target.spec.name);
        Ok(Self { target, tracer, event_time, partitions: BTreeMap::new(), created })
    }

    fn opened(&mut self, number: u32) -> Result<(&mut Partition, &mut SinkTracer), JobError> {
        let Target { store, spec, owner, .. } = &self.target;
        if !self.created {
            store.create_stream(spec.clone())?;
            self.created = true;
        }
        let partition = match self.partitions.entry(number) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => place.insert(Partition::new(store.writer(&spec.name, number, owner)?)),
        };
        Ok((partition, &mut self.tracer))
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
        let number = envelope.partition % self.target.spec.partitions.max(1);
        let (partition, tracer) = self.opened(number)?;
        if !partition.has_room_for(&batch) {
            partition.write_frames(&schema, tracer)?;
        }
        if partition.waiting.is_empty() {
            partition.meta = FrameMeta { appended_at: now, ..FrameMeta::default() };
        }
        partition.add(batch, envelope.trace, times);
        Ok(std::mem::take(&mut partition.written))
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        // All frames first: when one does not fit, nothing has been reported that a second call would leave out.
        for partition in self.partitions.values_mut() {
            partition.write_frames(&self.target.spec.schema, &mut self.tracer)?;
        }
        let mut flushed = Flushed { traces: self.tracer.take(), ..Flushed::default() };
        if self.created {
            flushed.streams.push(self.target.spec.name.clone());
        }
        for partition in self.partitions.values_mut() {
            let end = partition.writer.end();
            let (files, dirs) = partition.writer.take_dirty();
            flushed.dirty.extend(files);
            flushed.dirty_dirs.extend(dirs);
            flushed.bytes += std::mem::take(&mut partition.written);
            if partition.reported.as_ref() != Some(&end) {
                partition.reported = Some(end.clone());
                flushed.outputs.push(end);
            }
        }
        Ok(flushed)
    }
}

impl Partition {
    fn new(writer: PartitionWriter) -> Self {
        Self {
            writer,
            waiting: Vec::new(),
            rows: 0,
            bytes: 0,
            meta: FrameMeta::default(),
            traces: Vec::new(),
            written: 0,
            reported: None,
        }
    }

    fn has_room_for(&self, batch: &RecordBatch) -> bool {
        self.rows == 0
            || (self.rows + batch.num_rows() <= FRAME_ROWS && self.bytes + size_of_rows(batch) <= FRAME_BYTES)
    }

    fn add(&mut self, batch: RecordBatch, trace: Option<TraceContext>, times: Option<(i64, i64)>) {
        if let Some((low, high)) = times {
            self.meta.min_event_time = self.meta.min_event_time.min(low);
            self.meta.max_event_time = self.meta.max_event_time.max(high);
        }
        if let Some(trace) = trace
            && self.traces.last() != Some(&trace)
            && admit_cause(&mut self.traces, &trace)
            && self.traces.len() < MAX_LINKS
        {
            self.traces.push(trace);
        }
        self.rows += batch.num_rows();
        self.bytes += size_of_rows(&batch);
        self.waiting.push(batch);
    }

    /// Appends what waits: one frame, or several if it is much. On failure what has not been appended still waits.
    fn write_frames(&mut self, schema: &SchemaRef, tracer: &mut SinkTracer) -> Result<(), JobError> {
        let batch = match self.waiting.as_slice() {
            [] => return Ok(()),
            [only] => only.clone(),
            several => concat_batches(schema, several).map_err(|error| JobError::operator("sink", error))?,
        };
        let frames = self.bytes.div_ceil(FRAME_BYTES).max(self.rows.div_ceil(FRAME_ROWS * 2));
        let rows = batch.num_rows().div_ceil(frames.max(1)).max(1);
        let mut span = tracer.start(&self.traces, batch.num_rows());
        self.meta.trace = span.trace().map(TraceContext::to_bytes);
        let mut done = 0;
        while done < batch.num_rows() {
            let piece = batch.slice(done, rows.min(batch.num_rows() - done));
            let appended = self.writer.append(&piece, &self.meta);
            if appended.is_err() {
                self.waiting = vec![batch.slice(done, batch.num_rows() - done)];
                self.rows = batch.num_rows() - done;
            }
            self.written += appended?;
            done += piece.num_rows();
        }
        span.set_attribute(attributes::PARTITION, self.writer.end().partition);
        (self.rows, self.bytes) = (0, 0);
        self.waiting.clear();
        self.traces.clear();
        Ok(())
    }
}
