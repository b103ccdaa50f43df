//! Rate, errors and duration of operations, measured before sampling leaves anything out.
//!
//! What counts as an operation: a span without a parent, and a span that answers a request or works on a message
//! (server, consumer). Invariant: every such span of this process is counted once, recorded or not, and what is bound is
//! bounded: operations beyond [`MAX_OPERATIONS`] share one series.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::context::{SAMPLED, TraceContext};
use crate::metrics::{Counter, Histogram, MetricDesc, MetricKind, OVERFLOW_LABEL_VALUE, Registry};
use crate::record::{SpanKind, SpanRecord, SpanStatus};
use crate::redaction::Redactor;

/// Most names of operations. Each has up to ten series, so the registry's cap may be reached before.
const MAX_OPERATIONS: usize = 1_000;
const LABELS: [&str; 3] = ["operation", "kind", "status"];
/// Kinds of spans times their two outcomes.
const SERIES: usize = 10;

/// Writes `calls_total` and `duration_seconds` by operation, kind and status (`ok` or `error`) into a [`Registry`].
#[derive(Debug)]
pub struct RedMetrics {
    registry: Registry,
    redactor: Option<Arc<Redactor>>,
    calls: MetricDesc,
    seconds: MetricDesc,
    operations: RwLock<HashMap<Box<str>, Arc<Operation>>>,
    overflow: Operation,
}

/// The series of one operation, bound when they are first needed.
#[derive(Debug)]
struct Operation {
    /// As it stands in labels.
    label: Box<str>,
    series: [OnceLock<(Counter, Histogram)>; SERIES],
}

/// What is measured of a span.
#[derive(Debug)]
pub(crate) struct Measurement<'a> {
    pub(crate) operation: &'a str,
    pub(crate) kind: SpanKind,
    pub(crate) is_root: bool,
    pub(crate) has_failed: bool,
    pub(crate) nanos: u64,
    /// The span, if it can be found afterwards.
    pub(crate) exemplar: Option<TraceContext>,
}

impl RedMetrics {
    /// Metrics whose names begin with `prefix`, such as `checkout_`; names of operations are redacted if there is a
    /// redactor.
    pub fn new(registry: &Registry, prefix: &str, redactor: Option<Arc<Redactor>>) -> Self {
        let calls = MetricDesc::new(format!("{prefix}calls_total"), MetricKind::Counter, "Operations that have ended.");
        let seconds =
            MetricDesc::new(format!("{prefix}duration_seconds"), MetricKind::Histogram, "Time that operations took.");
        Self {
            registry: registry.clone(),
            redactor,
            calls: calls.with_labels(LABELS),
            seconds: seconds.with_unit("seconds").with_labels(LABELS),
            operations: RwLock::default(),
            overflow: Operation::new(OVERFLOW_LABEL_VALUE),
        }
    }

    /// Measures an ended span. `is_found` says that it goes to the queue whatever comes.
    pub(crate) fn observe(&self, span: &SpanRecord, is_found: bool) {
        let SpanRecord { trace_id, span_id, .. } = *span;
        self.measure(Measurement {
            operation: &span.name,
            kind: span.kind,
            is_root: span.parent_span_id.is_none(),
            has_failed: matches!(span.status, SpanStatus::Error(_)),
            nanos: span.end_unix_nano.saturating_sub(span.start_unix_nano),
            exemplar: is_found.then_some(TraceContext { trace_id, span_id, flags: SAMPLED }),
        });
    }

    pub(crate) fn measure(&self, measurement: Measurement<'_>) {
        let Measurement { operation, kind, is_root, has_failed, nanos, exemplar } = measurement;
        if !is_root && !matches!(kind, SpanKind::Server | SpanKind::Consumer) {
            return;
        }
        match self.known(operation).or_else(|| self.learn(operation)) {
            Some(operation) => self.write(&operation, kind, has_failed, nanos, exemplar),
            None => self.write(&self.overflow, kind, has_failed, nanos, exemplar),
        }
    }

    fn known(&self, operation: &str) -> Option<Arc<Operation>> {
        self.operations.read().unwrap_or_else(PoisonError::into_inner).get(operation).map(Arc::clone)
    }

    /// A new operation; `None` if there are too many.
    fn learn(&self, operation: &str) -> Option<Arc<Operation>> {
        let mut operations = self.operations.write().unwrap_or_else(PoisonError::into_inner);
        if operations.len() >= MAX_OPERATIONS {
            return operations.get(operation).map(Arc::clone);
        }
        let new = || {
            let label = self.redactor.as_ref().map_or_else(|| operation.into(), |redactor| redactor.text(operation));
            Arc::new(Operation::new(&label))
        };
        Some(Arc::clone(operations.entry(operation.into()).or_insert_with(new)))
    }

    #[expect(clippy::cast_precision_loss, reason = "a duration beyond 2^53 ns is 104 days long")]
    fn write(
        &self,
        operation: &Operation,
        kind: SpanKind,
        has_failed: bool,
        nanos: u64,
        exemplar: Option<TraceContext>,
    ) {
        let (kind_index, kind) = match kind {
            SpanKind::Internal => (0, "internal"),
            SpanKind::Server => (1, "server"),
            SpanKind::Client => (2, "client"),
            SpanKind::Producer => (3, "producer"),
            SpanKind::Consumer => (4, "consumer"),
        };
        let Some(series) = operation.series.get(2 * kind_index + usize::from(has_failed)) else { return };
        let (calls, seconds) = series.get_or_init(|| {
            let is_overflow = &*operation.label == OVERFLOW_LABEL_VALUE;
            let status = if has_failed { "error" } else { "ok" };
            let values = if is_overflow { [OVERFLOW_LABEL_VALUE; 3] } else { [&operation.label, kind, status] };
            (self.registry.counter(&self.calls, &values), self.registry.histogram(&self.seconds, &values))
        });
        calls.inc();
        let duration_seconds = nanos as f64 / 1e9;
        match exemplar {
            Some(context) => seconds.observe_with_exemplar(duration_seconds, context),
            None => seconds.observe(duration_seconds),
        }
    }
}

impl Operation {
    fn new(label: &str) -> Self {
        Self { label: label.into(), series: [const { OnceLock::new() }; SERIES] }
    }
}

#[cfg(test)]
mod tests;
