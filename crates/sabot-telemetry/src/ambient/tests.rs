//! Ambient spans: parents, operations, errors, and what recording them takes.
//!
//! The provider is the process's, so all tests of this crate that need it share one and look at their own trace only.

use std::error::Error;
use std::fmt;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use futures::executor::block_on;
use opentelemetry::trace::{Span, Status, TraceContextExt};

use crate::sync::lock;
use crate::*;

static TELEMETRY: LazyLock<TelemetryProviders> = LazyLock::new(|| {
    let telemetry = init_telemetry(TelemetryConfig::new("test")).expect("telemetry");
    install_tracer_provider(OtelTracerProvider::new(telemetry.spans()).with_baggage_attributes(["tenant.id"]));
    telemetry
});
static ENDED: Mutex<Vec<SpanRecord>> = Mutex::new(Vec::new());

/// Works below a span of a new trace; what came of it, and the other spans of that trace in the order they ended.
pub(crate) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<SpanRecord>) {
    LazyLock::force(&TELEMETRY);
    let root = SpanBuilder::below(&OtelContext::new(), "test").start_operation();
    let trace_id = root.trace().trace_id;
    let entered = root.enter();
    let done = work();
    drop((entered, root));
    let mut ended = lock(&ENDED);
    ended.extend(TELEMETRY.span_queue().drain(usize::MAX));
    let own = ended.extract_if(.., |span| span.trace_id == trace_id).filter(|span| span.name != "test").collect();
    (done, own)
}

pub(crate) fn attribute<'a>(span: &'a SpanRecord, key: &str) -> Option<&'a AttributeValue> {
    let mut values = span.attributes.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
    let first = values.next();
    assert_eq!(values.next(), None, "{key} is there twice: {span:?}");
    first
}

pub(crate) fn string(value: &str) -> AttributeValue {
    AttributeValue::Str(value.to_owned().into())
}

#[derive(Debug)]
struct Refused(std::num::ParseIntError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("card refused")
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn refused() -> Refused {
    Refused("four".parse::<u8>().unwrap_err())
}

#[test]
fn a_span_is_below_what_is_current() {
    let ((outer, inner), spans) = recorded(|| {
        let outer = SpanBuilder::new("outer").with_kind(opentelemetry::trace::SpanKind::Server).start();
        let outer_id = outer.trace();
        let attached = context_with_span(outer).attach();
        assert_eq!(current_trace(), Some(outer_id));
        let inner = SpanBuilder::new("inner").with_attribute("rows", 1).with_attribute("rows", 2).start();
        let inner_id = inner.trace();
        drop(inner);
        drop(attached);
        (outer_id, inner_id)
    });
    let [first, second] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        (first.name.as_str(), first.span_id, first.parent_span_id),
        ("inner", inner.span_id, Some(outer.span_id))
    );
    assert_eq!((second.name.as_str(), second.kind, second.span_id), ("outer", SpanKind::Server, outer.span_id));
    assert_eq!(attribute(first, "rows"), Some(&2.into()));
}

#[test]
fn times_are_kept_as_given() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let ((), spans) = recorded(|| SpanBuilder::new("old").with_start_time(at(5)).start().end_with_timestamp(at(7)));
    assert_eq!((spans[0].start_unix_nano, spans[0].end_unix_nano), (5_000_000_000, 7_000_000_000));
}

#[test]
fn a_link_is_kept_if_there_is_something_behind_it() {
    let cause = TraceContext { trace_id: [3; 16], span_id: [4; 8], flags: 1 };
    let ((), spans) = recorded(|| {
        drop(SpanBuilder::new("linked").with_link(cause).with_link(cause.unsampled()).start());
    });
    assert_eq!(spans[0].links, [SpanLink { trace_id: [3; 16], span_id: [4; 8] }]);
}

#[test]
fn own_spans_and_ambient_ones_share_their_traces() {
    let (own, spans) = recorded(|| {
        let own = TELEMETRY.spans().start("own").parent(current_trace()).start();
        let attached = context_with_trace(own.context()).attach();
        drop(SpanBuilder::new("ambient").start());
        drop(attached);
        own.context()
    });
    assert_eq!(spans[0].parent_span_id, Some(own.span_id));
    assert_eq!(spans.len(), 2);
}

#[test]
fn an_exception_is_told_with_type_message_and_causes() {
    let ((), spans) = recorded(|| {
        let mut known = SpanBuilder::new("known").start();
        record_exception(&mut known, &refused());
        drop(known);
        let mut unknown = SpanBuilder::new("unknown").start();
        record_exception(&mut unknown, &refused() as &dyn Error);
        drop(unknown);
        let operation = SpanBuilder::new("operation").start_operation();
        operation.record_exception(&refused());
    });
    for span in &spans {
        assert_eq!(span.status, SpanStatus::Error("card refused".into()), "{}", span.name);
        let event: Vec<_> =
            span.events[0].attributes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let chain = string("card refused\ncaused by: invalid digit found in string");
        let rest = [("exception.message", string("card refused")), ("exception.stacktrace", chain)];
        let name = std::any::type_name::<Refused>();
        if span.name == "unknown" {
            assert_eq!(event, rest);
            assert_eq!(attribute(span, "error.type"), Some(&"_OTHER".into()));
        } else {
            assert_eq!(event[0], ("exception.type", string(name)));
            assert_eq!(event[1..], rest);
            assert_eq!(attribute(span, "error.type"), Some(&string(name)));
        }
    }
    assert_eq!(spans.len(), 3);
}

#[test]
fn an_operation_is_current_inside_and_ends_once_whoever_holds_its_context() {
    let (kept, spans) = recorded(|| {
        let operation = trace_operation("checkout", [("items", 3)]);
        let kept = operation.context().clone();
        let future = operation.in_future(async { current_span().set_attribute("inside", true) });
        assert_ne!(current_trace(), Some(operation.trace()));
        block_on(future);
        let entered = operation.enter();
        current_span().add_event("priced", [OtelKeyValue::new("cents", 995)]);
        assert_eq!(current_trace(), Some(operation.trace()));
        drop(entered);
        operation.set_status(Status::Ok);
        drop(operation);
        kept.span().set_attribute(OtelKeyValue::new("late", true));
        kept
    });
    assert!(!kept.span().is_recording());
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(attribute(span, "items"), Some(&3.into()));
    assert_eq!(attribute(span, "inside"), Some(&true.into()));
    assert_eq!(attribute(span, "late"), None);
    assert_eq!((span.events[0].name.as_str(), &span.status), ("priced", &SpanStatus::Ok));
}

#[test]
fn an_operation_that_panics_has_failed() {
    let ((), spans) = recorded(|| {
        let panicked = std::panic::catch_unwind(|| {
            let _operation = SpanBuilder::new("breaks").start_operation();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.is_err());
    });
    assert_eq!(spans[0].status, SpanStatus::Error("panicked".into()));
}

#[test]
fn nothing_is_built_for_a_span_that_is_not_recorded() {
    LazyLock::force(&TELEMETRY);
    let parent = TraceContext { trace_id: [7; 16], span_id: [8; 8], flags: 0 };
    let _attached = context_with_trace(parent).attach();
    let costly = || -> bool { panic!("built for nothing") };
    let builder = SpanBuilder::new("silent").with_attribute_with("costly", costly);
    assert!(!builder.is_recording());
    let attributes = std::iter::once_with(|| -> (Text, AttributeValue) { panic!("built for nothing") });
    let operation = builder.with_attributes(attributes).start_operation();
    operation.record_exception(&refused());
    let trace = operation.trace();
    assert_eq!((trace.trace_id, trace.is_sampled()), (parent.trace_id, false));
    assert_ne!(trace.span_id, parent.span_id, "a span of its own");
}

#[test]
fn allowed_baggage_and_the_correlation_id_become_attributes_and_give_way() {
    let ((), spans) = recorded(|| {
        let items = [BaggageItem::new("tenant.id", "acme"), BaggageItem::new("secret", "hush")];
        let _baggage = with_baggage(items).attach();
        let _correlated = context_with_correlation_id("order-4711".parse().unwrap()).attach();
        drop(SpanBuilder::new("inherits").start());
        drop(SpanBuilder::new("overrides").with_attribute("tenant.id", "other").start());
    });
    assert_eq!(attribute(&spans[0], "tenant.id"), Some(&string("acme")));
    assert_eq!(attribute(&spans[0], "correlation.id"), Some(&string("order-4711")));
    assert_eq!(spans[0].attributes.len(), 2);
    assert_eq!(attribute(&spans[1], "tenant.id"), Some(&string("other")));
}
