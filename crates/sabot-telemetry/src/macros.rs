//! What the attribute macros expand to. Only they are to name what is in here.

use std::ops::Deref;

use opentelemetry::Context;

use crate::ambient::{Operation, SpanBuilder};
use crate::clock::monotonic_nanos;
use crate::correlation::ensure_correlation_id;
use crate::performance::PerformanceMetrics;
use crate::record::SpanKind;

pub mod error;
pub mod field;

/// What a body that is never run returns, to say its type.
pub fn never<T>() -> T {
    unreachable!("a type is only named")
}

/// Runs a body whose result is looked at. That it runs once lets it return what it borrowed from its parameters.
pub fn run<T>(body: impl FnOnce() -> T) -> T {
    body()
}

/// The operation of a traced function.
pub fn begin(name: &'static str, kind: SpanKind) -> Operation {
    SpanBuilder::new(name).with_kind(kind).start_operation()
}

/// The same below a correlation id, made if there is none.
pub fn begin_correlated(name: &'static str, kind: SpanKind) -> Operation {
    let (context, _) = ensure_correlation_id(Context::current());
    let _current = context.attach();
    begin(name, kind)
}

/// An operation that is measured against a threshold; it says so on its span when it ends.
#[derive(Debug)]
pub struct Timed {
    operation: Operation,
    sli: &'static str,
    threshold_seconds: f64,
    begun_nanos: u64,
}

/// Begins one.
pub fn begin_timed(
    name: &'static str,
    kind: SpanKind,
    sli: &'static str,
    threshold_seconds: f64,
    operation_type: Option<&'static str>,
) -> Timed {
    // Known before the decision, which may go by it.
    let known = |key: &str| Some(operation_type.filter(|_| key == "operation.type")?.into());
    let operation = SpanBuilder::below_with(&Context::current(), name, kind, known).start_operation();
    if let Some(operation_type) = operation_type {
        operation.set_attribute("operation.type", operation_type);
    }
    Timed { operation, sli, threshold_seconds, begun_nanos: monotonic_nanos() }
}

impl Deref for Timed {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        &self.operation
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if self.operation.is_recording() {
            #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days, and near enough beyond")]
            let seconds = monotonic_nanos().saturating_sub(self.begun_nanos) as f64 / 1e9;
            let measured = PerformanceMetrics::new(self.sli, self.threshold_seconds, seconds);
            measured.attributes().for_each(|(key, value)| self.operation.set_attribute(key, value));
        }
    }
}

#[cfg(test)]
mod tests;
