//! The contract of an operator: rows, watermarks and the end go in; rows come out; state can be taken and given back.

use std::sync::Arc;

use sabot_common::registry::attributes;
use sabot_store::Section;
use sabot_telemetry::{ActiveSpan, Spans, TraceContext};

use crate::sink::MAX_TRACES;
use crate::{Envelope, JobError, admit_cause};

/// The part of Sabot that most work of an agent belongs to.
pub(crate) const COMPONENT: &str = "stream-processor";

/// One step of a chain. Synchronous and single-threaded: it owns its state and never waits.
pub trait Operator: Send {
    /// Name of its spans and its line in status output.
    fn name(&self) -> &'static str;

    /// The part of Sabot its spans are filed under.
    fn component(&self) -> &'static str {
        COMPONENT
    }

    /// Takes in rows.
    fn process(&mut self, input: Envelope, out: &mut Emitter<'_>) -> Result<(), JobError>;

    /// No row that is on time and older than `watermark` (microseconds) will come any more.
    fn advance(&mut self, _watermark: i64, _out: &mut Emitter<'_>) -> Result<(), JobError> {
        Ok(())
    }

    /// State changed since the last snapshot. Called at a barrier; processing goes on right after.
    fn snapshot(&mut self) -> Result<Snapshot, JobError> {
        Ok(Snapshot::default())
    }

    /// Takes back the sections of the newest committed snapshot, oldest first.
    fn restore(&mut self, _sections: &[Section], _watermark: i64) -> Result<(), JobError> {
        Ok(())
    }

    /// Memory its state holds.
    fn state_bytes(&self) -> usize {
        0
    }
}

/// What an operator gives at a barrier.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// New or changed pieces of state. One marked full replaces all earlier ones of its name.
    pub sections: Vec<Section>,
    /// Names of all pieces that are still needed, changed or not.
    pub live: Vec<String>,
}

/// Where an operator puts what it makes, and the span under which it works.
#[derive(Debug)]
pub struct Emitter<'a> {
    pub(crate) out: &'a mut Vec<Envelope>,
    pub(crate) spans: &'a Spans,
    pub(crate) agent: &'a Arc<str>,
    pub(crate) span: Option<TraceContext>,
    pub(crate) windows_fired: u64,
    /// Spans other than the operator's own under which rows left, the first few: the next operator's span is linked to
    /// them.
    pub(crate) under: Vec<TraceContext>,
}

impl Emitter<'_> {
    /// Passes rows on; an empty batch goes nowhere.
    pub fn emit(&mut self, mut envelope: Envelope) {
        if envelope.batch.num_rows() > 0 {
            envelope.trace = self.span.or(envelope.trace);
            self.out.push(envelope);
        }
    }

    /// Starts a span under the operator's own.
    pub fn start_span(&self, name: &'static str) -> ActiveSpan {
        self.start_span_linked(name, &[])
    }

    /// Starts a span under the operator's own, with links to other spans that contributed. Where there is no batch, as
    /// when a watermark comes alone, it hangs below the newest of those.
    pub fn start_span_linked(&self, name: &'static str, links: &[TraceContext]) -> ActiveSpan {
        let Some(parent) = self.span.or_else(|| TraceContext::leading(links.iter().rev())) else {
            return Spans::disabled().start(name).root().start();
        };
        let builder = self.spans.start(name).parent(parent);
        let others = links.iter().filter(|link| **link != parent);
        let mut span = others.fold(builder, |builder, link| builder.link(*link)).start();
        if span.is_recording() {
            span.set_attribute(attributes::AGENT, Arc::clone(self.agent));
        }
        span
    }

    /// The context under which rows are emitted, when it is not the operator's own span.
    pub fn emit_under(&mut self, envelope: Envelope, context: Option<TraceContext>) {
        let own = self.span;
        if let Some(context) = context
            && self.under.last() != Some(&context)
            && admit_cause(&mut self.under, &context)
            && self.under.len() < MAX_TRACES
        {
            self.under.push(context);
        }
        self.span = context.or(own);
        self.emit(envelope);
        self.span = own;
    }

    /// Counts a window that fired.
    pub const fn count_window(&mut self) {
        self.windows_fired += 1;
    }
}
