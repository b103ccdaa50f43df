//! Standard output, one JSON object a line. For development: after a crash rows since the last commit come again.

use std::io::Write;

use sabot_runtime::{Envelope, Flushed, JobError, Sink, SinkTracer};

use crate::json_lines;

/// Writes rows to standard output.
#[derive(Debug)]
pub(crate) struct Console {
    tracer: SinkTracer,
}

impl Console {
    pub(crate) const fn new(tracer: SinkTracer) -> Self {
        Self { tracer }
    }
}

impl Sink for Console {
    fn write(&mut self, envelope: &Envelope) -> Result<u64, JobError> {
        let _span = self.tracer.start(envelope.trace.as_slice(), envelope.batch.num_rows());
        let mut text = Vec::new();
        let mut lines = json_lines(&mut text, false);
        lines.write(&envelope.batch).and_then(|()| lines.finish()).map_err(|e| JobError::operator("console", e))?;
        match std::io::stdout().lock().write_all(&text) {
            // Nobody reads any more, which is no reason to stop the agent.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
            Err(error) => Err(JobError::operator("console", error)),
            Ok(()) => Ok(text.len() as u64),
        }
    }

    fn flush(&mut self) -> Result<Flushed, JobError> {
        Ok(Flushed { traces: self.tracer.take(), ..Flushed::default() })
    }
}
