//! The contract of a sink: rows go in, and at a barrier it says what must be durable for them to count.

use std::path::PathBuf;
use std::sync::Arc;

use sabot_common::registry::{attributes, spans};
use sabot_store::{DiskFile, FileEnd, OutputEnd};
use sabot_telemetry::{ActiveSpan, Spans, TraceContext};

use crate::operator::COMPONENT;
use crate::{Envelope, JobError};

/// Spans of one epoch that its commit is linked to.
pub(crate) const MAX_TRACES: usize = 32;

/// Where rows end up.
pub trait Sink: Send {
    /// Takes rows in and returns the bytes written. When the disk is full nothing of the envelope has been taken and
    /// the same call can be made again.
    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError>;

    /// Writes what is buffered and reports the ends of everything written. When the disk is full the same call can be
    /// made again, and reports all that it would have reported.
    fn flush(&mut self) -> Result<Flushed, JobError>;
}

/// What a commit must name and sync.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Streams written, whether or not anything was added.
    pub streams: Vec<String>,
    /// Ends of stream partitions that have moved.
    pub outputs: Vec<OutputEnd>,
    /// Ends of plain files.
    pub files: Vec<FileEnd>,
    /// Files to sync.
    pub dirty: Vec<Arc<dyn DiskFile>>,
    /// Directories to sync.
    pub dirty_dirs: Vec<PathBuf>,
    /// Spans that wrote something, the first few.
    pub traces: Vec<TraceContext>,
    /// Bytes written by this call.
    pub bytes: u64,
}

impl Flushed {
    pub(crate) fn append(&mut self, mut other: Self) {
        self.streams.append(&mut other.streams);
        self.outputs.append(&mut other.outputs);
        self.files.append(&mut other.files);
        self.dirty.append(&mut other.dirty);
        self.dirty_dirs.append(&mut other.dirty_dirs);
        let room = MAX_TRACES.saturating_sub(self.traces.len());
        self.traces.extend(other.traces.into_iter().take(room));
        self.bytes += other.bytes;
    }
}

/// Makes a sink's spans: one for each piece it writes, below the first batch in it and linked to the others.
#[derive(Clone, Debug)]
pub struct SinkTracer {
    spans: Spans,
    agent: Arc<str>,
    output: Arc<str>,
    /// Spans of this epoch.
    traces: Vec<TraceContext>,
}

impl SinkTracer {
    /// For rows of `agent` that go to `output`.
    pub fn new(spans: Spans, agent: &str, output: &str) -> Self {
        Self { spans, agent: Arc::from(agent), output: Arc::from(output), traces: Vec::new() }
    }

    /// The span of a piece with rows of these batches; it ends when it is dropped.
    pub fn start(&mut self, batches: &[TraceContext], rows: usize) -> ActiveSpan {
        let Some(first) = TraceContext::leading(batches) else {
            return Spans::disabled().start(spans::SINK).root().start();
        };
        let builder = self.spans.start(spans::SINK).parent(first);
        let others = batches.iter().filter(|other| **other != first);
        let mut span = others.fold(builder, |builder, other| builder.link(*other)).start();
        if span.is_recording() {
            span.set_attribute(attributes::AGENT, Arc::clone(&self.agent));
            span.set_attribute(attributes::COMPONENT, COMPONENT);
            span.set_attribute(attributes::STREAM, Arc::clone(&self.output));
            span.set_attribute(attributes::ROWS, rows);
            if self.traces.len() < MAX_TRACES {
                self.traces.push(span.context());
            }
        }
        span
    }

    /// The spans of the epoch that ends, for [`Flushed::traces`].
    pub fn take(&mut self) -> Vec<TraceContext> {
        std::mem::take(&mut self.traces)
    }
}
