//! A sink that takes everything and keeps nothing; for benchmarks and for agents run for their metrics.

use sabot_runtime::{Envelope, Flushed, JobError, Sink};

/// Takes rows and drops them.
#[derive(Debug)]
pub(crate) struct Blackhole;

impl Sink for Blackhole {
    fn write(&mut self, _envelope: &Envelope) -> Result<u64, JobError> {
        Ok(0)
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        Ok(Flushed::default())
    }
}
