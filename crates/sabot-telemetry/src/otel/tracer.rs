//! Who hands out tracers, and how a tracer begins a span.

use std::sync::Arc;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{Event, Link, SpanBuilder, TraceContextExt, TraceState, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope};

use super::span::{OtelSpan, add_event, add_link};
use crate::clock::{unix_nanos, unix_nanos_now};
use crate::context::TraceContext;
use crate::correlation::CorrelationId;
use crate::propagation::sendable_trace_state;
use crate::record::{AttributeValue, Scope, SpanKind, SpanRecord};
use crate::spans::{SpanDraft, Spans};
use crate::text::Text;

/// Hands out tracers that record with one [`Spans`]. A handle: clones are the same provider.
#[derive(Clone, Debug)]
pub struct OtelTracerProvider {
    shared: Arc<Shared>,
}

/// What all tracers of a provider share.
#[derive(Debug)]
struct Shared {
    spans: Spans,
    /// Baggage that becomes attributes.
    baggage_keys: Box<[Text]>,
}

/// Begins spans in the name of one library.
#[derive(Clone, Debug)]
pub struct OtelTracer {
    shared: Arc<Shared>,
    scope: Option<Arc<Scope>>,
}

impl OtelTracerProvider {
    /// A provider whose spans go where those of `spans` go.
    pub fn new(spans: &Spans) -> Self {
        Self::build(spans.clone(), Box::default())
    }

    /// Copies these members of the baggage to attributes of the same name on every span that begins below it. Baggage
    /// comes from outside, so nothing is copied unless it is named here.
    ///
    /// ```
    /// use sabot_telemetry::{OtelTracerProvider, TelemetryConfig, init_telemetry};
    ///
    /// let telemetry = init_telemetry(TelemetryConfig::new("checkout"))?;
    /// let provider = OtelTracerProvider::new(telemetry.spans()).with_baggage_attributes(["tenant.id", "customer.tier"]);
    /// # drop(provider);
    /// # Ok::<(), sabot_telemetry::TelemetryError>(())
    /// ```
    #[must_use]
    pub fn with_baggage_attributes<K: Into<Text>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        Self::build(self.shared.spans.clone(), keys.into_iter().map(Into::into).collect())
    }

    fn build(spans: Spans, baggage_keys: Box<[Text]>) -> Self {
        Self { shared: Arc::new(Shared { spans, baggage_keys }) }
    }

    /// A tracer that speaks for the service itself.
    pub(crate) fn unscoped(&self) -> OtelTracer {
        OtelTracer { shared: Arc::clone(&self.shared), scope: None }
    }
}

impl TracerProvider for OtelTracerProvider {
    type Tracer = OtelTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> OtelTracer {
        let version = scope.version().map(|version| Text::Owned(version.to_owned()));
        let name = Text::Owned(scope.name().to_owned());
        OtelTracer { shared: Arc::clone(&self.shared), scope: Some(Arc::new(Scope { name, version })) }
    }
}

impl Tracer for OtelTracer {
    type Span = OtelSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> OtelSpan {
        let SpanBuilder { span_kind, name, start_time, attributes, events, links } = builder;
        let known = |key: &str| {
            let attribute = attributes.as_ref()?.iter().find(|attribute| attribute.key.as_str() == key)?;
            Some(attribute.value.clone().into())
        };
        let kind = span_kind.map_or(SpanKind::Internal, Into::into);
        let mut begun = self.begin(name.into(), parent, kind, known);
        if let Some(unfinished) = begun.draft.unfinished_mut() {
            if let Some(attributes) = attributes {
                unfinished.hand_over_all(attributes);
            }
            let record = unfinished.bare();
            if let Some(events) = events {
                add_events(record, events);
            }
            if let Some(links) = links {
                add_links(record, links);
            }
        }
        begun.start_at(|| start_time.map_or_else(unix_nanos_now, unix_nanos))
    }
}

fn add_events(record: &mut SpanRecord, events: Vec<Event>) {
    for event in events {
        add_event(record, event.name, event.timestamp, event.attributes);
        record.drop_attributes(event.dropped_attributes_count as usize);
    }
}

fn add_links(record: &mut SpanRecord, links: Vec<Link>) {
    for link in links {
        add_link(record, &link.span_context, link.attributes.len() + link.dropped_attributes_count as usize);
    }
}

/// A span whose fate is decided, with what of its identity a draft does not hold.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) draft: SpanDraft,
    trace_state: TraceState,
}

impl Begun {
    /// A span that only passes on what `parent` holds: nobody records.
    pub(crate) fn passing_on(parent: &Context) -> Self {
        let span = parent.span();
        let context = span.span_context();
        Self {
            draft: Spans::disabled().start("").parent(TraceContext::from(context)),
            trace_state: context.trace_state().clone(),
        }
    }

    #[inline]
    pub(crate) fn start_at(self, moment: impl FnOnce() -> u64) -> OtelSpan {
        let span = self.draft.start_at(moment);
        OtelSpan::new(span.context().to_span_context(false, self.trace_state), span)
    }
}

impl OtelTracer {
    /// Whether nothing is recorded below a parent that is not.
    #[cfg(any(feature = "redis", feature = "sqlx"))]
    pub(crate) fn follows_parents(&self) -> bool {
        self.shared.spans.follows_parents()
    }

    /// Decides about a span below `parent`, with attributes for sampling rules that judge them, and notes what it has from
    /// there.
    #[inline]
    pub(crate) fn begin(
        &self,
        name: Text,
        parent: &Context,
        kind: SpanKind,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> Begun {
        let Shared { spans, baggage_keys } = &*self.shared;
        let span = parent.span();
        let context = span.span_context();
        let below = TraceContext::from(context);
        let mut trace_state = context.trace_state().clone();
        let sent = sendable_trace_state(&trace_state);
        let sent_text = sent.as_deref().unwrap_or_default();
        let mut draft = if parent.is_telemetry_suppressed() {
            spans.suppressed().start(name).parent(below)
        } else {
            spans.start(name).parent_with(below, sent_text.to_owned(), kind, known)
        };
        if let Some(record) = draft.record_mut() {
            record.scope.clone_from(&self.scope);
            if record.trace_state != *sent_text {
                // Sampling has noted its threshold, for all that follows.
                trace_state = record.trace_state.parse().unwrap_or_default();
            }
            inherit(record, parent, baggage_keys);
        } else if spans.is_enabled() && below.is_valid() {
            draft.renew_span_id();
        }
        Begun { draft, trace_state }
    }
}

/// Attributes a span has because of where it begins.
fn inherit(record: &mut SpanRecord, parent: &Context, baggage_keys: &[Text]) {
    if let Some(id) = parent.get::<CorrelationId>() {
        record.add_attribute(Text::Static(CorrelationId::ATTRIBUTE), id.to_text().into());
    }
    if baggage_keys.is_empty() {
        return;
    }
    let baggage = parent.baggage();
    for key in baggage_keys {
        if let Some(value) = baggage.get(key.as_str()) {
            record.replace_attribute(key.clone(), Text::Owned(value.as_str().to_owned()).into());
        }
    }
}
