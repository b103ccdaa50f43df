//! A sink that takes everything and keeps nothing; for benchmarks and for agents run for their metrics.

use sabot_runtime::{Envelope, Flushed, JobError, Sink, SinkTracer};

/// Takes rows and drops them.
#[derive(Debug)]
pub(crate) struct Blackhole {
    tracer: SinkTracer,
}

impl Blackhole {
    pub(crate) const fn new(tracer: SinkTracer) -> Self {
        Self { tracer }
    }
}

impl Sink for Blackhole {
    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        drop(self.tracer.start(envelope.trace.as_slice(), envelope.batch.num_rows()));
        Ok(0)
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        Ok(Flushed { traces: self.tracer.take(), ..Flushed::default() })
    }
}
