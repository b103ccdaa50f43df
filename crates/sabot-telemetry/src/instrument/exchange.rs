//! One request and its answer, while it goes on: a span, and what is measured of it.
//!
//! Invariant: it ends once, whatever happens: with an answer, by a panic, or because nobody waits for it any longer.

use std::time::Duration;

use opentelemetry::trace::Status;

use crate::ambient::Operation;
#[cfg(any(feature = "axum", feature = "reqwest"))]
use crate::ambient::SpanHandle;
use crate::clock::monotonic_nanos;
use crate::record::AttributeValue;
use crate::text::Text;

/// What went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    /// A short stable name.
    pub(super) error_type: Text,
    /// For people; may be empty.
    pub(super) message: Text,
}

impl Failure {
    pub(super) fn new(error_type: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self { error_type: error_type.into(), message: message.into() }
    }
}

/// What is measured of an exchange.
pub(super) trait Measure {
    /// An attribute that is only known at the end.
    fn note(&mut self, key: &'static str, value: AttributeValue);

    /// It is over; the span's context is the current one.
    fn finish(&mut self, elapsed: Duration);
}

/// For what is not measured.
impl Measure for () {
    fn note(&mut self, _key: &'static str, _value: AttributeValue) {}

    fn finish(&mut self, _elapsed: Duration) {}
}

/// An exchange that goes on; dropped before its end, it has failed.
#[derive(Debug)]
pub(super) struct Exchange<M: Measure> {
    operation: Operation,
    started_nanos: u64,
    /// None when it has ended.
    measure: Option<M>,
}

impl<M: Measure> Exchange<M> {
    pub(super) fn begin(operation: Operation, measure: M) -> Self {
        Self { operation, started_nanos: monotonic_nanos(), measure: Some(measure) }
    }

    #[cfg(any(feature = "axum", feature = "reqwest"))]
    pub(super) fn span(&self) -> &SpanHandle {
        &self.operation
    }

    /// How long it has gone on.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(monotonic_nanos().saturating_sub(self.started_nanos))
    }

    /// Does a piece of the work with the span as the current one. A panic ends the exchange, also if somebody catches it
    /// before the rest of the work is dropped.
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _attached = self.operation.enter();
        let mut unwinding = Unwinding { exchange: self, is_running: true };
        let done = work();
        unwinding.is_running = false;
        done
    }

    /// Puts an attribute on the span and on the metrics.
    pub(super) fn note(&mut self, key: &'static str, value: AttributeValue) {
        if let Some(measure) = &mut self.measure {
            measure.note(key, value.clone());
        }
        self.operation.set_attribute(key, value);
    }

    /// Ends it; a second end is ignored.
    pub(super) fn end(&mut self, failure: Option<Failure>) {
        let Some(mut measure) = self.measure.take() else { return };
        if let Some(Failure { error_type, message }) = failure {
            measure.note("error.type", error_type.clone().into());
            self.operation.set_attribute("error.type", error_type);
            self.operation.set_status(Status::error(message));
        }
        let attached = self.operation.enter();
        measure.finish(self.elapsed());
        drop(attached);
        self.operation.finish();
    }
}

impl<M: Measure> Drop for Exchange<M> {
    fn drop(&mut self) {
        if self.measure.is_some() {
            self.end(Some(if std::thread::panicking() { panicked() } else { cancelled() }));
        }
    }
}

fn panicked() -> Failure {
    Failure::new("panic", "panicked")
}

fn cancelled() -> Failure {
    Failure::new("cancelled", "dropped before it was complete")
}

/// Ends an exchange if it goes out of scope by a panic.
struct Unwinding<'a, M: Measure> {
    exchange: &'a mut Exchange<M>,
    is_running: bool,
}

impl<M: Measure> Drop for Unwinding<'_, M> {
    fn drop(&mut self) {
        if self.is_running {
            self.exchange.end(Some(panicked()));
        }
    }
}
