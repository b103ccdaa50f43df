//! The API's traits, as its specification has them.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, Span, SpanContext, SpanId, SpanKind as OtelSpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue, Value};

use crate::{
    AttributeValue, HeadSampler, OtelTracer, OtelTracerProvider, Resource, Sampling, SamplingStrategy, SpanJudges,
    SpanKind, SpanLink, SpanQueue, SpanRecord, SpanStatus, Spans, TelemetryConfig, TelemetryProviders, TraceContext,
    init_telemetry,
};

fn telemetry() -> TelemetryProviders {
    init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry")
}

fn tracer(telemetry: &TelemetryProviders) -> OtelTracer {
    OtelTracerProvider::new(telemetry.spans()).tracer("lib")
}

fn only(telemetry: &TelemetryProviders) -> SpanRecord {
    let mut spans = telemetry.span_queue().drain(usize::MAX);
    assert_eq!(spans.len(), 1, "{spans:?}");
    spans.remove(0)
}

fn remote(flags: u8, state: &[(&str, &str)]) -> Context {
    let state = TraceState::from_key_value(state.iter().copied()).unwrap();
    let (trace, span) = (TraceId::from_bytes([0xab; 16]), SpanId::from_bytes([0xcd; 8]));
    Context::new().with_remote_span_context(SpanContext::new(trace, span, TraceFlags::new(flags), true, state))
}

#[test]
fn everything_said_at_the_start_and_later_is_recorded() {
    let telemetry = telemetry();
    let scope = InstrumentationScope::builder("lib").with_version("1.2").build();
    let tracer = OtelTracerProvider::new(telemetry.spans()).tracer_with_scope(scope);
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let cause = SpanContext::new(1_u128.into(), 2_u64.into(), TraceFlags::NOT_SAMPLED, false, TraceState::NONE);
    let mut span = tracer
        .span_builder("first")
        .with_kind(OtelSpanKind::Producer)
        .with_start_time(at(1))
        .with_attributes([KeyValue::new("a", 1), KeyValue::new("b", "two")])
        .with_events(vec![Event::new("early", at(2), vec![KeyValue::new("c", 0.5)], 3)])
        .with_links(vec![Link::new(cause.clone(), vec![KeyValue::new("lost", true)], 1)])
        .start_with_context(&tracer, &remote(1, &[("vendor", "x"), ("other", "y")]));
    assert!(span.is_recording());
    span.set_attribute(KeyValue::new("a", 2));
    span.set_attribute(KeyValue::new("d", true));
    span.add_event_with_timestamp("late", at(3), vec![]);
    span.add_link(cause, vec![]);
    span.add_link(SpanContext::NONE, vec![]);
    span.update_name("second");
    let context = span.span_context().clone();
    span.end_with_timestamp(at(4));
    span.set_attribute(KeyValue::new("after", true));
    span.end();
    assert!(!span.is_recording());
    drop(span);

    let record = only(&telemetry);
    assert_eq!((record.trace_id, record.parent_span_id), ([0xab; 16], Some([0xcd; 8])));
    assert_eq!(record.span_id, context.span_id().to_bytes());
    assert_eq!((context.is_remote(), context.is_sampled()), (false, true));
    assert_eq!(context.trace_state().header(), "vendor=x,other=y");
    assert_eq!(record.trace_state, "vendor=x,other=y");
    let scope = record.scope.as_deref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_deref()), ("lib", Some("1.2")));
    assert_eq!((record.name.as_str(), record.kind), ("second", SpanKind::Producer));
    assert_eq!((record.start_unix_nano, record.end_unix_nano), (1_000_000_000, 4_000_000_000));
    assert_eq!(record.attributes, [("a".into(), 2.into()), ("b".into(), "two".into()), ("d".into(), true.into())]);
    let events: Vec<_> = record.events.iter().map(|event| (event.name.as_str(), event.at_unix_nano)).collect();
    assert_eq!(events, [("early", 2_000_000_000), ("late", 3_000_000_000)]);
    let mut other = [0; 16];
    other[15] = 1;
    let link = SpanLink { trace_id: other, span_id: [0, 0, 0, 0, 0, 0, 0, 2] };
    assert_eq!(record.links, [link, link]);
    assert_eq!(record.dropped.attributes, 3 + 2, "of the event, and of the link");
}

#[test]
fn a_status_follows_the_specification() {
    let failed = || Status::error("broken");
    let error = || SpanStatus::Error("broken".into());
    for (said, expected) in [
        (vec![], SpanStatus::Unset),
        (vec![failed()], error()),
        (vec![failed(), Status::Unset], error()),
        (vec![Status::error("first"), failed()], error()),
        (vec![failed(), Status::Ok], SpanStatus::Ok),
        (vec![Status::Ok, failed()], SpanStatus::Ok),
        (vec![Status::Ok, Status::Unset], SpanStatus::Ok),
    ] {
        let telemetry = telemetry();
        let mut span = tracer(&telemetry).start("work");
        said.iter().cloned().for_each(|status| span.set_status(status));
        drop(span);
        assert_eq!(only(&telemetry).status, expected, "{said:?}");
    }
}

#[test]
fn every_kind_of_value_is_kept_and_comes_back() {
    let shared: Arc<str> = Arc::from("shared");
    let values: [(Value, AttributeValue); 8] = [
        (true.into(), true.into()),
        (7.into(), 7.into()),
        (0.5.into(), 0.5.into()),
        ("static".into(), "static".into()),
        (shared.into(), "shared".into()),
        (Value::Array(vec![1, 2].into()), AttributeValue::List(vec![1.into(), 2.into()].into())),
        (Value::Array(vec![0.5].into()), AttributeValue::List(vec![0.5.into()].into())),
        (
            Value::Array(Array::String(vec![StringValue::from("x")])),
            AttributeValue::List(vec![AttributeValue::Str("x".into())].into()),
        ),
    ];
    for (value, expected) in values {
        for _ in 0..2 {
            // The second time it is remembered.
            let converted = AttributeValue::from(value.clone());
            assert_eq!(converted, expected);
            assert_eq!(Value::from(converted), value);
        }
    }
    let mixed = AttributeValue::List(vec![1.into(), true.into()].into());
    assert_eq!(Value::from(mixed), Value::Array(Array::String(vec!["1".into(), "true".into()])));
    let booleans = AttributeValue::List(vec![true.into()].into());
    assert_eq!(Value::from(booleans), Value::Array(vec![true].into()));
}

#[test]
fn a_remembered_text_is_never_taken_for_another_at_its_address() {
    // Texts of one buffer after another live at the same addresses, and more of them than are remembered.
    for round in 0..3 {
        for number in 0..1_000 {
            let text: Arc<str> = format!("text {number} of {round}").into();
            let converted = AttributeValue::from(Value::from(Arc::clone(&text)));
            assert_eq!(converted, AttributeValue::Str(text.into()));
        }
    }
    let long = "x".repeat(1_000);
    assert_eq!(AttributeValue::from(Value::from(long.clone())), AttributeValue::Str(long.into()));
}

#[test]
fn an_unsampled_span_has_a_valid_context_of_its_own_and_is_not_recorded() {
    let unsampled =
        init_telemetry(TelemetryConfig::new("test").without_globals().with_sample_rate(0.0)).expect("telemetry");
    let root = tracer(&unsampled).start_with_context("root", &Context::new());
    let sampled = telemetry();
    let child = tracer(&sampled).start_with_context("child", &remote(0, &[("vendor", "x")]));
    for span in [&root, &child] {
        assert!(span.span_context().is_valid() && !span.span_context().is_sampled() && !span.is_recording());
    }
    assert_eq!(child.span_context().trace_id(), TraceId::from_bytes([0xab; 16]));
    assert_ne!(child.span_context().span_id(), SpanId::from_bytes([0xcd; 8]));
    assert_eq!(child.span_context().trace_state().header(), "vendor=x");
    drop((root, child));
    assert_eq!(unsampled.span_queue().received() + sampled.span_queue().received(), 0);
}

#[test]
fn a_suppressed_context_records_nothing_and_says_so_downstream() {
    let telemetry = telemetry();
    let suppressed = remote(1, &[]).with_telemetry_suppressed();
    let span = tracer(&telemetry).start_with_context("export", &suppressed);
    let root = tracer(&telemetry).start_with_context("export", &Context::new().with_telemetry_suppressed());
    assert!(!span.is_recording() && !span.span_context().is_sampled());
    assert_eq!(span.span_context().trace_id(), TraceId::from_bytes([0xab; 16]));
    assert!(!root.is_recording() && root.span_context().is_valid());
    drop((span, root));
    assert_eq!(telemetry.span_queue().received(), 0);
}

#[test]
fn disabled_tracing_leaves_contexts_as_they_are() {
    let tracer = OtelTracerProvider::new(&Spans::disabled()).tracer("lib");
    let parent = remote(1, &[]);
    let span = tracer.start_with_context("work", &parent);
    assert_eq!(TraceContext::from(span.span_context()), TraceContext::from(parent.span().span_context()));
    assert_eq!(*tracer.start_with_context("work", &Context::new()).span_context(), SpanContext::NONE);
}

#[test]
fn too_many_attributes_are_counted_not_kept() {
    let telemetry = telemetry();
    let many = (0..130).map(|number| KeyValue::new(format!("key{number}"), number));
    let tracer = tracer(&telemetry);
    let mut span = tracer.span_builder("large").with_attributes(many).start(&tracer);
    span.set_attribute(KeyValue::new("one more", 1));
    span.set_attribute(KeyValue::new("key0", 2));
    drop(span);
    let record = only(&telemetry);
    assert_eq!((record.attributes.len(), record.dropped.attributes), (128, 3));
    assert_eq!(record.attributes[0], ("key0".into(), 2.into()));
}

#[test]
fn a_key_set_over_and_over_has_the_last_value_and_drops_nothing() {
    let telemetry = telemetry();
    let mut span = tracer(&telemetry).start("busy");
    for number in 0..1_000 {
        span.set_attribute(KeyValue::new("progress", number));
        span.set_attribute(KeyValue::new("rest", 1_000 - number));
    }
    span.attribute("own", true);
    span.set_attribute(KeyValue::new("own", false));
    drop(span);
    let record = only(&telemetry);
    let expected = [("progress".into(), 999.into()), ("rest".into(), 1.into()), ("own".into(), false.into())];
    assert_eq!(record.attributes, expected);
    assert_eq!(record.dropped.attributes, 0);
}

#[test]
fn an_error_is_an_event_and_no_status() {
    let telemetry = telemetry();
    let mut span = tracer(&telemetry).start("work");
    span.record_error(&std::io::Error::other("disk full"));
    drop(span);
    let record = only(&telemetry);
    assert_eq!(record.status, SpanStatus::Unset);
    assert_eq!(record.events[0].name, "exception");
    assert_eq!(record.events[0].attributes, [("exception.message".into(), String::from("disk full").into())]);
}

#[test]
fn what_a_root_was_sampled_with_is_told_to_all_that_follows() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").with_sample_rate(0.5)).expect("telemetry");
    let tracer = tracer(&telemetry);
    let root = std::iter::repeat_with(|| tracer.start("root")).find(|span| span.span_context().is_sampled()).unwrap();
    assert_eq!(root.span_context().trace_state().header(), "ot=th:8");
    let context = Context::new().with_remote_span_context(root.span_context().clone());
    drop(tracer.start_with_context("child", &context));
    drop(root);
    let states: Vec<_> =
        telemetry.span_queue().drain(10).into_iter().map(|span| span.trace_state.to_string()).collect();
    assert_eq!(states, ["ot=th:8", "ot=th:8"]);
}

#[test]
fn rules_judge_the_attributes_that_a_builder_holds() {
    let mut sampling = Sampling { strategy: SamplingStrategy::AlwaysOff, ..Sampling::default() };
    sampling.customer_tiers.insert("premium".to_owned(), 1.0);
    let queue = SpanQueue::new(NonZeroUsize::MIN, NonZeroU32::MIN);
    let judges = SpanJudges::new(HeadSampler::new(&sampling).unwrap());
    let spans = Spans::recording_with(Arc::new(Resource::of_service("test")), queue, judges);
    let tracer = OtelTracerProvider::new(&spans).tracer("shop");
    let is_recorded = |tier| {
        let builder = tracer.span_builder("pay").with_attributes([KeyValue::new("user.tier", tier)]);
        builder.start(&tracer).is_recording()
    };
    assert!(is_recorded("premium") && !is_recorded("trial"));
}
