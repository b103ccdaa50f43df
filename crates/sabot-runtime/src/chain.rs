//! A chain of operators: pushes rows and watermarks through them in order, with a span and counters for each.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sabot_common::clock::{SharedClock, Timestamp};
use sabot_common::registry::{attributes, spans};
use sabot_store::{Section, size_of_rows};
use sabot_telemetry::{ActiveSpan, SpanDraft, Spans, TraceContext};

use crate::operator::COMPONENT;
use crate::{Emitter, Envelope, JobError, JobMetrics, JobStats, Operator, OperatorStats, Route, WATERMARK_END};

/// What the chains of one job share.
#[derive(Clone, Debug)]
pub struct ChainContext {
    /// The agent.
    pub agent: Arc<str>,
    /// The stream it reads.
    pub stream: Arc<str>,
    /// Counters of the job.
    pub stats: Arc<JobStats>,
    /// Metrics of the job.
    pub metrics: JobMetrics,
    /// Spans.
    pub spans: Spans,
    /// Time.
    pub clock: SharedClock,
}

/// The operators one task runs, in order.
pub struct Chain {
    operators: Vec<Box<dyn Operator>>,
    /// Where this chain's operators start in the job's list of operator statistics.
    first_stat: usize,
    context: ChainContext,
    /// Name of the span of a batch: the agent's is part of it, so that lists of traces tell agents apart.
    batch_name: Arc<str>,
    /// Scratch space for what moves from one operator to the next.
    moving: Vec<Envelope>,
    /// Its part of the job's state, as last counted.
    state_bytes: u64,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.operators.iter().map(|operator| operator.name())).finish()
    }
}

impl Chain {
    /// A chain whose statistics start at `first_stat` in the job's.
    pub fn new(operators: Vec<Box<dyn Operator>>, first_stat: usize, context: ChainContext) -> Self {
        let batch_name = Arc::from(format!("{} {}", spans::PROCESS_BATCH, context.agent));
        Self { operators, first_stat, context, batch_name, moving: Vec::new(), state_bytes: 0 }
    }

    pub(crate) const fn context(&self) -> &ChainContext {
        &self.context
    }

    /// Pushes rows, then the watermark they lead to, through all operators. What comes out is appended to `out`. Returns
    /// the span of the batch, if there were rows, recorded or not.
    pub(crate) fn push(
        &mut self,
        inputs: &mut Vec<Envelope>,
        watermark: Option<i64>,
        out: &mut Vec<Envelope>,
    ) -> Result<Option<TraceContext>, JobError> {
        let mut span = self.batch_span(inputs, watermark);
        let producer = inputs.first().and_then(|first| first.trace).filter(TraceContext::is_sampled);
        let outcome = self.run(inputs, watermark, &span, out);
        if let Err(error) = &outcome {
            if !span.is_recording() {
                // One of too many to record them all, but no longer one like the others.
                span = self.context.spans.start(Arc::clone(&self.batch_name)).parent(producer).start();
                span.set_attribute(attributes::AGENT, Arc::clone(&self.context.agent));
                span.set_attribute(attributes::COMPONENT, COMPONENT);
            }
            span.record_error(error, error.kind());
        }
        if span.is_recording() {
            let rows_out: u64 = out.iter().map(Envelope::rows).sum();
            span.set_attribute(attributes::ROWS_OUT, rows_out);
        }
        outcome.map(|()| span.trace())
    }

    fn run(
        &mut self,
        inputs: &mut Vec<Envelope>,
        watermark: Option<i64>,
        span: &ActiveSpan,
        out: &mut Vec<Envelope>,
    ) -> Result<(), JobError> {
        let batch = span.trace();
        let mut moving = std::mem::take(&mut self.moving);
        for mut input in inputs.drain(..) {
            if input.route == Route::Main {
                moving.push(input);
            } else {
                input.trace = batch.or(input.trace);
                out.push(input);
            }
        }
        if self.operators.is_empty() {
            for envelope in &mut moving {
                envelope.trace = batch.or(envelope.trace);
            }
        }
        let mut next = Vec::new();
        let mut step = Step { context: &self.context, parent: span, causes: Vec::new() };
        for (index, operator) in self.operators.iter_mut().enumerate() {
            let stats = self.context.stats.operators.get(self.first_stat + index);
            step.run(operator.as_mut(), &mut moving, watermark, &mut next, stats)?;
            std::mem::swap(&mut moving, &mut next);
        }
        out.append(&mut moving);
        self.moving = moving;
        Ok(())
    }

    fn batch_span(&self, inputs: &[Envelope], watermark: Option<i64>) -> ActiveSpan {
        let spans = &self.context.spans;
        let Some(first) = inputs.first() else {
            return Spans::disabled().start(spans::PROCESS_BATCH).root().start();
        };
        let mut builder = spans.start(Arc::clone(&self.batch_name)).routine().parent(first.trace);
        for link in first.links.iter().chain(inputs.iter().skip(1).flat_map(|input| &input.links)) {
            builder = builder.link(*link);
        }
        let mut span = builder.start();
        if span.is_recording() {
            let rows = |route| inputs.iter().filter(|i| i.route == route).map(Envelope::rows).sum::<u64>();
            let bytes: usize = inputs.iter().map(|input| size_of_rows(&input.batch)).sum();
            span.set_attribute(attributes::AGENT, Arc::clone(&self.context.agent));
            span.set_attribute(attributes::COMPONENT, COMPONENT);
            span.set_attribute(attributes::STREAM, Arc::clone(&self.context.stream));
            span.set_attribute(attributes::PARTITION, first.partition);
            span.set_attribute(attributes::ROWS, rows(Route::Main));
            span.set_attribute(attributes::BYTES, bytes);
            if let Some(watermark) = watermark.filter(|watermark| *watermark != WATERMARK_END) {
                span.set_attribute(attributes::WATERMARK, Timestamp::from_unix_micros(watermark).to_string());
            }
            match rows(Route::Late) {
                0 => {}
                late => span.add_event(spans::LATE_EVENT, [(attributes::LATE_ROWS, late.into())]),
            }
        }
        span
    }

    /// What each operator's state is named after: its name, and which of that name it is. The place in the chain is no
    /// part of it, so that a filter in front of a window changes nothing for the window.
    fn owners(&self) -> Vec<String> {
        let name = |at: usize| self.operators.get(at).map(|operator| operator.name());
        let nth = |at: usize| (0..at).filter(|earlier| name(*earlier) == name(at)).count();
        (0..self.operators.len()).map(|at| format!("{}{}.", name(at).unwrap_or_default(), nth(at))).collect()
    }

    /// State that changed, each piece named after the operator that holds it.
    pub(crate) fn snapshot(&mut self) -> Result<crate::Snapshot, JobError> {
        let mut whole = crate::Snapshot::default();
        let mut bytes = 0;
        for (owner, operator) in self.owners().iter().zip(&mut self.operators) {
            let part = operator.snapshot()?;
            let named = |name: String| format!("{owner}{name}");
            whole.live.extend(part.live.into_iter().map(named));
            let sections = part.sections.into_iter();
            whole.sections.extend(sections.map(|section| Section { name: named(section.name), ..section }));
            bytes += operator.state_bytes();
        }
        self.context.stats.replace_state_bytes(&mut self.state_bytes, bytes as u64);
        Ok(whole)
    }

    /// Whether a piece of state belongs to one of the operators.
    pub(crate) fn owns(&self, section: &str) -> bool {
        self.owners().iter().any(|owner| section.starts_with(owner))
    }

    /// Gives each operator the pieces named after it.
    pub(crate) fn restore(&mut self, sections: &[Section], watermark: i64) -> Result<(), JobError> {
        for (owner, operator) in self.owners().iter().zip(&mut self.operators) {
            let own: Vec<Section> = sections
                .iter()
                .filter_map(|section| {
                    let name = section.name.strip_prefix(owner)?.to_owned();
                    Some(Section { name, full: section.full, batch: section.batch.clone() })
                })
                .collect();
            operator.restore(&own, watermark)?;
        }
        Ok(())
    }
}

/// What one operator needs around it for one push.
struct Step<'a> {
    context: &'a ChainContext,
    parent: &'a ActiveSpan,
    /// Spans that made its rows, where those are not the batch's and the operator's before.
    causes: Vec<TraceContext>,
}

impl Step<'_> {
    fn run(
        &mut self,
        operator: &mut dyn Operator,
        inputs: &mut Vec<Envelope>,
        watermark: Option<i64>,
        out: &mut Vec<Envelope>,
        stats: Option<&OperatorStats>,
    ) -> Result<(), JobError> {
        let ChainContext { agent, stream, metrics, spans, clock, .. } = self.context;
        let start = clock.monotonic();
        let rows_in: u64 = inputs.iter().map(Envelope::rows).sum();
        let mut span = self.operator_span(operator.name(), inputs.is_empty());
        let context = if inputs.is_empty() { self.parent } else { &span };
        let context = context.trace();
        let under = std::mem::take(&mut self.causes);
        let mut emitter = Emitter { out, spans, agent, span: context, windows_fired: 0, under };
        let mut outcome = inputs.drain(..).try_for_each(|input| {
            let partition = input.partition;
            operator.process(input, &mut emitter).map_err(|error| error.on_rows_of(stream, partition))
        });
        if let (Ok(()), Some(watermark)) = (&outcome, watermark) {
            outcome = operator.advance(watermark, &mut emitter);
        }
        let fired = emitter.windows_fired;
        self.causes = emitter.under;
        if fired > 0 {
            metrics.windows.add(fired);
        }
        let rows_out: u64 = out.iter().map(Envelope::rows).sum();
        if let Err(error) = &outcome {
            span.record_error(error, error.kind());
        }
        if span.is_recording() {
            span.set_attribute(attributes::AGENT, Arc::clone(agent));
            span.set_attribute(attributes::COMPONENT, operator.component());
            span.set_attribute(attributes::ROWS, rows_in);
            span.set_attribute(attributes::ROWS_OUT, rows_out);
        }
        if let Some(stats) = stats {
            let took = clock.monotonic().saturating_sub(start);
            stats.rows_in.fetch_add(rows_in, Ordering::Relaxed);
            stats.rows_out.fetch_add(rows_out, Ordering::Relaxed);
            stats.busy_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        outcome
    }
}

impl Step<'_> {
    /// Below the batch and linked to what made the rows; without a batch, as when only a watermark came, below the
    /// newest of those.
    fn operator_span(&mut self, name: &'static str, is_empty: bool) -> ActiveSpan {
        let spans = &self.context.spans;
        if is_empty {
            return Spans::disabled().start(name).root().start();
        }
        let builder = match (self.parent.trace(), TraceContext::leading(self.causes.iter().rev())) {
            (None, Some(cause)) => spans.start(name).parent(cause),
            _ => self.parent.child(name),
        };
        self.causes.drain(..).fold(builder, SpanDraft::link).start()
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
pub(crate) const fn to_f64(count: u64) -> f64 {
    count as f64
}
