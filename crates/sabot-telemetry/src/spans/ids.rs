//! Trace and span ids.
//!
//! A root's trace id is drawn before its span exists, because the sampling decision needs it. The SDK draws ids itself
//! and takes none, so the chosen one waits here, per thread and only while the SDK builds that span.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    static CHOSEN_TRACE_ID: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Random ids, except for a trace id chosen with [`with_trace_id`].
#[derive(Debug, Default)]
pub(crate) struct Ids {
    random: RandomIdGenerator,
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        CHOSEN_TRACE_ID.take().unwrap_or_else(|| self.random.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.random.new_span_id()
    }
}

/// Runs `build`, in which the next new trace is `trace_id`.
pub(super) fn with_trace_id<T>(trace_id: TraceId, build: impl FnOnce() -> T) -> T {
    CHOSEN_TRACE_ID.set(Some(trace_id));
    let built = build();
    // A provider that was shut down asks for no id; the next root must not inherit this one.
    CHOSEN_TRACE_ID.set(None);
    built
}
