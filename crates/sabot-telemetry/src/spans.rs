//! Starting spans with explicit parents.
//!
//! Invariant: whether a span is recorded is decided as soon as its parent is known and before anything else is built. A
//! span with a parent follows the parent's `sampled` flag; a root is sampled by its trace id. What is not recorded still
//! has a context, marked unsampled, so that everything downstream stays unrecorded too.

mod active;
mod builder;
mod ids;
mod value;

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanKind, TraceId, TracerProvider};
use opentelemetry_sdk::trace::{IdGenerator, Sampler, SamplingDecision, SdkTracer, SdkTracerProvider, ShouldSample};

pub use active::ActiveSpan;
pub use builder::SpanBuilder;
pub(crate) use ids::Ids;
pub use value::SpanValue;

use crate::context::TraceContext;
use builder::Origin;

/// Starts spans. A handle: cheap to clone and to send.
#[derive(Clone, Debug)]
pub struct Spans {
    mode: Mode,
}

#[derive(Clone, Debug)]
enum Mode {
    Disabled,
    Suppressed,
    Recording(Arc<Recorder>),
}

#[derive(Debug)]
struct Recorder {
    tracer: SdkTracer,
    root_sampler: Sampler,
}

impl Spans {
    /// Records nothing and leaves incoming contexts as they are: tracing is off here, not elsewhere.
    pub const fn disabled() -> Self {
        Self { mode: Mode::Disabled }
    }

    pub(crate) fn recording(provider: &SdkTracerProvider, sample_rate: f64) -> Self {
        let scope =
            InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
        let recorder = Recorder {
            tracer: provider.tracer_with_scope(scope),
            root_sampler: Sampler::TraceIdRatioBased(sample_rate),
        };
        Self { mode: Mode::Recording(Arc::new(recorder)) }
    }

    /// A handle that never records and marks every context it passes on as unsampled. For work on telemetry itself
    /// (receivers, stores, pollers, readers of telemetry streams): their spans would be fed to themselves. Disabled
    /// tracing stays disabled.
    #[must_use]
    pub const fn suppressed(&self) -> Self {
        match self.mode {
            Mode::Disabled => Self { mode: Mode::Disabled },
            Mode::Suppressed | Mode::Recording(_) => Self { mode: Mode::Suppressed },
        }
    }

    /// Names a span; its parentage has to be given next.
    pub fn start(&self, name: impl Into<Cow<'static, str>>) -> SpanStart<'_> {
        SpanStart { spans: self, name: name.into() }
    }
}

/// A span that has a name and still needs a [`parent`](Self::parent) or to be a [`root`](Self::root).
#[derive(Debug)]
#[must_use = "a span starts with .root() or .parent(…), then .start()"]
pub struct SpanStart<'a> {
    spans: &'a Spans,
    name: Cow<'static, str>,
}

impl<'a> SpanStart<'a> {
    /// Below `parent`, recorded if and only if the parent is sampled. Without a valid parent it is a root.
    pub fn parent(self, parent: impl Into<Option<TraceContext>>) -> SpanBuilder<'a> {
        let Some(parent) = parent.into().filter(TraceContext::is_valid) else {
            return self.root();
        };
        match &self.spans.mode {
            Mode::Recording(recorder) if parent.is_sampled() => {
                SpanBuilder::recorded(recorder, Origin::Child(parent), self.name)
            }
            Mode::Recording(_) | Mode::Disabled => SpanBuilder::unrecorded(parent),
            Mode::Suppressed => SpanBuilder::unrecorded(parent.unsampled()),
        }
    }

    /// The first span of a new trace, recorded if the sample rate says so for its trace id.
    pub fn root(self) -> SpanBuilder<'a> {
        match &self.spans.mode {
            Mode::Disabled => SpanBuilder::unrecorded(TraceContext::default()),
            Mode::Suppressed => SpanBuilder::unrecorded(unsampled_root(Ids::default().new_trace_id())),
            Mode::Recording(recorder) => {
                let trace_id = Ids::default().new_trace_id();
                if recorder.samples(trace_id) {
                    SpanBuilder::recorded(recorder, Origin::Root(trace_id), self.name)
                } else {
                    SpanBuilder::unrecorded(unsampled_root(trace_id))
                }
            }
        }
    }
}

impl Recorder {
    fn samples(&self, trace_id: TraceId) -> bool {
        let result = self.root_sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
        result.decision == SamplingDecision::RecordAndSample
    }
}

fn unsampled_root(trace_id: TraceId) -> TraceContext {
    TraceContext { trace_id: trace_id.to_bytes(), span_id: Ids::default().new_span_id().to_bytes(), flags: 0 }
}

#[cfg(test)]
mod tests;
