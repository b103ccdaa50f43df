//! A span about to start, its fate already decided.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::{self, Link, TraceContextExt, TraceId, Tracer};
use opentelemetry::{Context, Key, KeyValue};

use super::ids::with_trace_id;
use super::{ActiveSpan, Recorder, SpanValue};
use crate::context::TraceContext;
use crate::record::SpanKind;

/// Room for the attributes of a usual span, start and end together, so that the list is allocated once.
const USUAL_ATTRIBUTES: usize = 8;

/// Takes what is known of a span at its start. Cheap to fill when the span is not recorded: everything is ignored.
#[derive(Debug)]
#[must_use = "a span starts with .start()"]
pub struct SpanBuilder<'a> {
    fate: Fate<'a>,
}

#[derive(Debug)]
enum Fate<'a> {
    Unrecorded(TraceContext),
    Recorded { recorder: &'a Arc<Recorder>, origin: Origin, builder: trace::SpanBuilder },
}

/// Where a recorded span hangs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// At the top of this new trace.
    Root(TraceId),
    /// Below this span.
    Child(TraceContext),
}

impl<'a> SpanBuilder<'a> {
    /// A span that only passes `context` on.
    pub(super) fn unrecorded(context: TraceContext) -> Self {
        Self { fate: Fate::Unrecorded(context) }
    }

    pub(super) fn recorded(recorder: &'a Arc<Recorder>, origin: Origin, name: Cow<'static, str>) -> Self {
        Self { fate: Fate::Recorded { recorder, origin, builder: trace::SpanBuilder::from_name(name) } }
    }

    /// Whether anything given to this builder will be kept.
    pub fn is_recording(&self) -> bool {
        matches!(self.fate, Fate::Recorded { .. })
    }

    /// The span's kind; internal unless said otherwise.
    pub fn kind(mut self, kind: SpanKind) -> Self {
        if let Fate::Recorded { builder, .. } = &mut self.fate {
            builder.span_kind = Some(kind.into());
        }
        self
    }

    /// An attribute.
    pub fn attribute(self, key: impl Into<Cow<'static, str>>, value: impl Into<SpanValue>) -> Self {
        self.attribute_with(key, || value)
    }

    /// An attribute whose value takes work: computed only if the span is recorded.
    pub fn attribute_with<V: Into<SpanValue>>(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl FnOnce() -> V,
    ) -> Self {
        if let Fate::Recorded { builder, .. } = &mut self.fate {
            let attributes = builder.attributes.get_or_insert_with(|| Vec::with_capacity(USUAL_ATTRIBUTES));
            attributes.push(KeyValue::new(Key::from(key.into()), value().into().0));
        }
        self
    }

    /// Another span that caused this one, such as the producer of a record in a batch. An empty context is ignored.
    pub fn link(mut self, cause: TraceContext) -> Self {
        if let Fate::Recorded { builder, .. } = &mut self.fate
            && cause.is_valid()
        {
            builder.links.get_or_insert_default().push(Link::new(cause.to_otel(), Vec::new(), 0));
        }
        self
    }

    /// Starts the span.
    pub fn start(self) -> ActiveSpan {
        match self.fate {
            Fate::Unrecorded(context) => ActiveSpan::unrecorded(context),
            Fate::Recorded { recorder, origin: Origin::Root(trace_id), builder } => {
                let span = with_trace_id(trace_id, || recorder.tracer.build_with_context(builder, &Context::new()));
                ActiveSpan::recorded(span, recorder, TraceContext::default())
            }
            Fate::Recorded { recorder, origin: Origin::Child(parent), builder } => {
                let context = Context::new().with_remote_span_context(parent.to_otel());
                let span = recorder.tracer.build_with_context(builder, &context);
                ActiveSpan::recorded(span, recorder, parent)
            }
        }
    }
}
