//! A chain of operators: pushes rows and watermarks through them in order, with a span and counters for each.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sabot_common::clock::SharedClock;
use sabot_common::registry::{attributes, spans};
use sabot_store::Section;
use sabot_telemetry::{ActiveSpan, Spans};

use crate::{Emitter, Envelope, JobError, JobMetrics, JobStats, Operator, OperatorStats, Route};

/// The operators one task runs, in order.
pub struct Chain {
    operators: Vec<Box<dyn Operator>>,
    /// Where this chain's operators start in the job's list of operator statistics.
    first_stat: usize,
    agent: Arc<str>,
    stats: Arc<JobStats>,
    metrics: JobMetrics,
    spans: Spans,
    clock: SharedClock,
    /// Scratch space for what moves from one operator to the next.
    moving: Vec<Envelope>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.operators.iter().map(|operator| operator.name())).finish()
    }
}

impl Chain {
    /// A chain of `agent`; its statistics start at `first_stat` in `stats.operators`.
    pub fn new(
        operators: Vec<Box<dyn Operator>>,
        first_stat: usize,
        agent: Arc<str>,
        stats: Arc<JobStats>,
        metrics: JobMetrics,
        spans: Spans,
        clock: SharedClock,
    ) -> Self {
        Self { operators, first_stat, agent, stats, metrics, spans, clock, moving: Vec::new() }
    }

    pub(crate) const fn stats(&self) -> &Arc<JobStats> {
        &self.stats
    }

    pub(crate) const fn metrics(&self) -> &JobMetrics {
        &self.metrics
    }

    /// Pushes rows, then the watermark they lead to, through all operators. What comes out is appended to `out`.
    pub(crate) fn push(
        &mut self,
        inputs: &mut Vec<Envelope>,
        watermark: Option<i64>,
        out: &mut Vec<Envelope>,
    ) -> Result<(), JobError> {
        let start = self.clock.monotonic();
        let rows: u64 = inputs.iter().filter(|input| input.route == Route::Main).map(Envelope::rows).sum();
        let mut span = self.batch_span(inputs, rows);
        let outcome = self.run(inputs, watermark, &span, out);
        if let Err(error) = &outcome {
            span.record_error(error, error.kind());
        }
        if span.is_recording() {
            let rows_out: u64 = out.iter().map(Envelope::rows).sum();
            span.set_attribute(attributes::ROWS_OUT, to_i64(rows_out));
        }
        if rows > 0 {
            self.metrics.batch_rows.observe(to_f64(rows));
            let took = self.clock.monotonic().saturating_sub(start).as_secs_f64();
            self.metrics.processing.observe_with_exemplar(took, span.context());
        }
        outcome
    }

    fn run(
        &mut self,
        inputs: &mut Vec<Envelope>,
        watermark: Option<i64>,
        span: &ActiveSpan,
        out: &mut Vec<Envelope>,
    ) -> Result<(), JobError> {
        let context = span.is_recording().then(|| span.context());
        let mut moving = std::mem::take(&mut self.moving);
        for mut input in inputs.drain(..) {
            if input.route == Route::Main {
                moving.push(input);
            } else {
                input.trace = context.or(input.trace);
                out.push(input);
            }
        }
        if self.operators.is_empty() {
            for envelope in &mut moving {
                envelope.trace = context.or(envelope.trace);
            }
        }
        let mut next = Vec::new();
        for (index, operator) in self.operators.iter_mut().enumerate() {
            let step = Step { spans: &self.spans, clock: &self.clock, parent: span, metrics: &self.metrics };
            step.run(
                operator.as_mut(),
                &mut moving,
                watermark,
                &mut next,
                self.stats.operators.get(self.first_stat + index),
            )?;
            std::mem::swap(&mut moving, &mut next);
        }
        out.append(&mut moving);
        self.moving = moving;
        Ok(())
    }

    fn batch_span(&self, inputs: &[Envelope], rows: u64) -> ActiveSpan {
        let Some(first) = inputs.first() else {
            return self.spans.suppressed().start(spans::PROCESS_BATCH).root().start();
        };
        let mut builder = self.spans.start(spans::PROCESS_BATCH).parent(first.trace);
        for link in first.links.iter().chain(inputs.iter().skip(1).flat_map(|input| &input.links)) {
            builder = builder.link(*link);
        }
        let mut span = builder.start();
        if span.is_recording() {
            span.set_attribute(attributes::AGENT, self.agent.to_string());
            span.set_attribute(attributes::COMPONENT, "stream-processor");
            span.set_attribute(attributes::PARTITION, i64::from(first.partition));
            span.set_attribute(attributes::ROWS, to_i64(rows));
            let late: u64 = inputs.iter().filter(|input| input.route == Route::Late).map(Envelope::rows).sum();
            if late > 0 {
                span.set_attribute(attributes::LATE_ROWS, to_i64(late));
            }
        }
        span
    }

    /// State that changed, each piece named `index.name` after its operator.
    pub(crate) fn snapshot(&mut self) -> Result<crate::Snapshot, JobError> {
        let mut whole = crate::Snapshot::default();
        let mut bytes = 0;
        for (index, operator) in self.operators.iter_mut().enumerate() {
            let part = operator.snapshot()?;
            let named = |name: String| format!("{index}.{name}");
            whole.live.extend(part.live.into_iter().map(named));
            let sections = part.sections.into_iter();
            whole.sections.extend(sections.map(|section| Section { name: named(section.name), ..section }));
            bytes += operator.state_bytes();
        }
        self.stats.state_bytes.store(bytes as u64, Ordering::Relaxed);
        Ok(whole)
    }

    /// Gives each operator the pieces named after it.
    pub fn restore(&mut self, sections: &[Section], watermark: i64) -> Result<(), JobError> {
        for (index, operator) in self.operators.iter_mut().enumerate() {
            let prefix = format!("{index}.");
            let own: Vec<Section> = sections
                .iter()
                .filter_map(|section| {
                    let name = section.name.strip_prefix(&prefix)?.to_owned();
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
    spans: &'a Spans,
    clock: &'a SharedClock,
    parent: &'a ActiveSpan,
    metrics: &'a JobMetrics,
}

impl Step<'_> {
    fn run(
        &self,
        operator: &mut dyn Operator,
        inputs: &mut Vec<Envelope>,
        watermark: Option<i64>,
        out: &mut Vec<Envelope>,
        stats: Option<&OperatorStats>,
    ) -> Result<(), JobError> {
        let start = self.clock.monotonic();
        let rows_in: u64 = inputs.iter().map(Envelope::rows).sum();
        let mut span = if inputs.is_empty() {
            self.spans.suppressed().start(operator.name()).root().start()
        } else {
            self.parent.child(operator.name()).start()
        };
        let context = if inputs.is_empty() { self.parent } else { &span };
        let context = context.is_recording().then(|| context.context());
        let mut emitter = Emitter { out, spans: self.spans, span: context, windows_fired: 0 };
        let mut outcome = inputs.drain(..).try_for_each(|input| operator.process(input, &mut emitter));
        if let (Ok(()), Some(watermark)) = (&outcome, watermark) {
            outcome = operator.advance(watermark, &mut emitter);
        }
        let fired = emitter.windows_fired;
        if fired > 0 {
            self.metrics.windows.add(fired);
        }
        let rows_out: u64 = out.iter().map(Envelope::rows).sum();
        if let Err(error) = &outcome {
            span.record_error(error, error.kind());
        }
        if span.is_recording() {
            span.set_attribute(attributes::ROWS, to_i64(rows_in));
            span.set_attribute(attributes::ROWS_OUT, to_i64(rows_out));
        }
        if let Some(stats) = stats {
            let took = self.clock.monotonic().saturating_sub(start);
            stats.rows_in.fetch_add(rows_in, Ordering::Relaxed);
            stats.rows_out.fetch_add(rows_out, Ordering::Relaxed);
            stats.busy_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        outcome
    }
}

pub(crate) fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
pub(crate) const fn to_f64(count: u64) -> f64 {
    count as f64
}
