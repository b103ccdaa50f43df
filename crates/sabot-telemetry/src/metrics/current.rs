//! The span that an observation is made in, as far as OpenTelemetry's ambient context knows it.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;

use crate::TraceContext;

/// The current span if its trace is recorded. Without any it is a look at one thread-local value.
#[inline]
pub(super) fn sampled_context() -> Option<TraceContext> {
    Context::map_current(|context| {
        if !context.has_active_span() {
            return None;
        }
        let span = context.span();
        let span = span.span_context();
        (span.is_sampled() && span.is_valid()).then(|| TraceContext {
            trace_id: span.trace_id().to_bytes(),
            span_id: span.span_id().to_bytes(),
            flags: span.trace_flags().to_u8(),
        })
    })
}
