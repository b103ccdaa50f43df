//! Spans: parentage, sampling, suppression, and what ends up in the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use sabot_telemetry::{
    Attribute, AttributeValue, SpanKind, SpanLink, SpanRecord, SpanStatus, Spans, TelemetryConfig, TelemetryProviders,
    TraceContext, init_telemetry,
};

const REMOTE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], flags: 1 };

fn telemetry() -> TelemetryProviders {
    init_telemetry(TelemetryConfig::new("test-service").without_globals()).expect("telemetry")
}

fn drain(telemetry: &TelemetryProviders) -> Vec<SpanRecord> {
    telemetry.span_queue().drain(usize::MAX)
}

fn only(telemetry: &TelemetryProviders) -> SpanRecord {
    let mut spans = drain(telemetry);
    assert_eq!(spans.len(), 1, "{spans:#?}");
    spans.remove(0)
}

fn map(attributes: &[Attribute]) -> BTreeMap<String, AttributeValue> {
    attributes.iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::Str(value.to_owned().into())
}

fn assert_nothing_is_built(spans: &Spans) {
    let builder = spans.start("silent").root();
    assert!(!builder.is_recording());
    let mut span = builder.attribute_with("costly", || -> String { panic!("built for nothing") }).start();
    assert!(!span.is_recording());
    span.set_attribute_with("costly", || -> String { panic!("built for nothing") });
    span.add_event("ignored", [("rows", 1.into())]);
    span.record_error(&std::fmt::Error, "ignored");
    drop(span.child("silent_child").kind(SpanKind::Client).attribute("key", "value").link(REMOTE).start());
}

#[test]
fn a_span_is_recorded_with_all_that_was_said() {
    let telemetry = telemetry();
    let other = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 1 };
    let agent: Arc<str> = Arc::from("totals");
    let mut span = telemetry
        .spans()
        .start("process_batch")
        .parent(REMOTE)
        .kind(SpanKind::Consumer)
        .attribute("agent", agent)
        .attribute("rows", 4096_usize)
        .attribute("ratio", 0.5)
        .attribute(format!("dynamic.{}", 1), true)
        .attribute_with("computed", || "yes".to_owned())
        .link(other)
        .link(TraceContext::default())
        .link(TraceContext { trace_id: [3; 16], span_id: [4; 8], flags: 0 })
        .start();
    span.set_attribute("late", -1);
    span.set_attribute("huge", u64::MAX);
    span.add_event("window_late_event", [("rows", 7.into()), ("reason", "late".into())]);
    let context = span.context();
    drop(span);

    let record = only(&telemetry);
    assert_eq!((record.trace_id, record.parent_span_id), (REMOTE.trace_id, Some(REMOTE.span_id)));
    assert_eq!((record.trace_id, record.span_id), (context.trace_id, context.span_id));
    assert!(context.is_sampled() && context.span_id != REMOTE.span_id);
    assert_eq!(record.resource.service_name.as_str(), "test-service");
    assert_eq!((record.name.as_ref(), record.kind), ("process_batch", SpanKind::Consumer));
    assert_eq!(record.status, SpanStatus::Unset);
    let keys: Vec<_> = record.attributes.iter().map(|(key, _)| key.as_ref()).collect();
    assert_eq!(keys, ["agent", "rows", "ratio", "dynamic.1", "computed", "late", "huge"]);
    let attributes = map(&record.attributes);
    assert_eq!(attributes["agent"], text("totals"));
    assert_eq!(attributes["rows"], AttributeValue::Int(4096));
    assert_eq!(attributes["ratio"], AttributeValue::Float(0.5));
    assert_eq!(attributes["dynamic.1"], AttributeValue::Bool(true));
    assert_eq!(attributes["computed"], text("yes"));
    assert_eq!(attributes["late"], AttributeValue::Int(-1));
    assert_eq!(attributes["huge"], AttributeValue::Int(i64::MAX));
    assert_eq!(record.links, [SpanLink { trace_id: [1; 16], span_id: [2; 8] }]);
    let [event] = record.events.as_slice() else { panic!("{:?}", record.events) };
    assert_eq!(event.name, "window_late_event");
    assert_eq!(map(&event.attributes)["rows"], AttributeValue::Int(7));
    assert!(record.start_unix_nano > 1_700_000_000_000_000_000, "nanoseconds of this century");
    assert!(record.start_unix_nano <= event.at_unix_nano && event.at_unix_nano <= record.end_unix_nano);
}

#[test]
fn children_hang_below_their_parent_and_share_its_trace() {
    let telemetry = telemetry();
    let root = telemetry.spans().start("root").root().start();
    let child = root.child("child").start();
    let grandchild = telemetry.spans().start("grandchild").parent(child.context()).start();
    let (root_id, child_id) = (root.context().span_id, child.context().span_id);
    drop((grandchild, child, root));

    let spans = drain(&telemetry);
    let shape: Vec<_> = spans.iter().map(|span| (span.name.as_ref(), span.parent_span_id)).collect();
    assert_eq!(shape, [("grandchild", Some(child_id)), ("child", Some(root_id)), ("root", None)]);
    assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id));
}

#[test]
fn roots_begin_traces_of_their_own() {
    let telemetry = telemetry();
    for _ in 0..3 {
        drop(telemetry.spans().start("root").root().start());
    }
    drop(telemetry.spans().start("orphan").parent(None).start());
    drop(telemetry.spans().start("orphan").parent(TraceContext::default()).start());
    let mut traces: Vec<_> = drain(&telemetry).into_iter().map(|span| span.trace_id).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 5);
    assert!(traces.iter().all(|trace| *trace != [0; 16]));
}

#[test]
fn a_sampled_parent_is_followed_whatever_the_rate() {
    let telemetry =
        init_telemetry(TelemetryConfig::new("test").without_globals().with_sample_rate(0.0)).expect("telemetry");
    let span = telemetry.spans().start("child").parent(REMOTE).start();
    assert!(span.is_recording());
    drop(span.child("grandchild").start());
    drop(span);
    assert_eq!(drain(&telemetry).len(), 2);
}

#[test]
fn an_unsampled_parent_is_followed_whatever_the_rate() {
    let telemetry = telemetry();
    let span = telemetry.spans().start("child").parent(REMOTE.unsampled()).start();
    assert!(!span.is_recording());
    assert_eq!(span.context(), REMOTE.unsampled());
    drop(span.child("grandchild").start());
    drop(span);
    assert_eq!(telemetry.span_queue().received(), 0);
}

#[test]
fn an_unsampled_root_keeps_its_whole_trace_unrecorded() {
    let telemetry =
        init_telemetry(TelemetryConfig::new("test").without_globals().with_sample_rate(0.0)).expect("telemetry");
    assert_nothing_is_built(telemetry.spans());
    let context = telemetry.spans().start("root").root().start().context();
    assert!(context.is_valid() && !context.is_sampled());
    assert!(
        context.to_traceparent().unwrap().ends_with("-02"),
        "the next service hears of the decision, and that the id is random"
    );
    assert_eq!(telemetry.span_queue().received(), 0);
}

#[test]
fn about_the_asked_for_share_of_roots_is_recorded_and_reported_as_such() {
    let telemetry =
        init_telemetry(TelemetryConfig::new("test").without_globals().with_sample_rate(0.25)).expect("telemetry");
    let mut sampled = 0;
    for _ in 0..10_000 {
        let span = telemetry.spans().start("root").root().start();
        assert_eq!(span.is_recording(), span.context().is_sampled());
        sampled += u32::from(span.is_recording());
    }
    assert!((2_200..2_800).contains(&sampled), "{sampled}: seven standard deviations around 2,500");
    assert_eq!(drain(&telemetry).len(), sampled as usize);
}

#[test]
fn routine_work_is_left_out_whole_while_there_are_too_many_spans() {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals().with_max_spans_per_second(10))
        .expect("telemetry");
    let mut recorded = 0;
    for _ in 0..1_000 {
        let batch = telemetry.spans().start("batch").routine().root().start();
        let operator = batch.child("operator").start();
        assert_eq!(
            (operator.is_recording(), operator.context().is_sampled()),
            (batch.is_recording(), batch.is_recording())
        );
        recorded += usize::from(batch.is_recording());
    }
    // One or two from before, one more each tenth of a second that it takes.
    assert!((1..100).contains(&recorded), "{recorded}");
    assert_eq!(drain(&telemetry).len(), 2 * recorded);
    assert_eq!(telemetry.span_queue().routine(), (recorded as u64, 1_000 - recorded as u64));

    let request = telemetry.spans().start("request").root().start();
    assert!(request.is_recording(), "what is no routine is always recorded");
    let batch = telemetry.spans().start("batch").routine().parent(request.context()).start();
    assert!(batch.is_recording(), "a trace that began is recorded to its end");
    let mut batches = (0..100).map(|_| telemetry.spans().start("batch").routine().parent(request.context()).start());
    let unrecorded = batches.find(|batch| !batch.is_recording()).unwrap().context();
    assert_eq!(unrecorded, request.context().unsampled(), "but not without end, and what follows hears of it");
}

#[test]
fn a_suppressed_handle_records_nothing_and_keeps_what_follows_silent() {
    let telemetry = telemetry();
    let quiet = telemetry.spans().suppressed();
    assert_nothing_is_built(&quiet);
    assert_nothing_is_built(&quiet.suppressed());
    let root = quiet.start("receive").root().start();
    let child = quiet.start("receive").parent(REMOTE).start();
    assert_eq!(child.context(), REMOTE.unsampled());
    for context in [root.context(), child.context()] {
        drop(telemetry.spans().start("downstream").parent(context).start());
    }
    drop((root, child));
    assert_eq!(telemetry.span_queue().received(), 0);

    drop(telemetry.spans().start("work").root().start());
    assert_eq!(telemetry.span_queue().received(), 1, "the handle it came from goes on");
}

#[test]
fn disabled_tracing_passes_contexts_through() {
    let telemetry =
        init_telemetry(TelemetryConfig::new("test").without_globals().with_enabled(false)).expect("telemetry");
    assert_nothing_is_built(telemetry.spans());
    assert_eq!(telemetry.spans().start("a").parent(REMOTE).start().context(), REMOTE);
    assert_eq!(telemetry.spans().start("a").root().start().context(), TraceContext::default());
    assert_eq!(telemetry.span_queue().received(), 0);
    assert_nothing_is_built(&Spans::disabled());
    assert_eq!(Spans::disabled().suppressed().start("a").parent(REMOTE).start().context(), REMOTE);
}

#[derive(Debug, thiserror::Error)]
#[error("segment 7 is not readable")]
struct Unreadable(#[source] std::io::Error);

#[test]
fn an_error_marks_the_span_and_leaves_its_causes() {
    let telemetry = telemetry();
    let mut span = telemetry.spans().start("read").root().start();
    span.record_error(&Unreadable(std::io::Error::other("disk gone")), "io");
    drop(span);

    let record = only(&telemetry);
    assert_eq!(record.status, SpanStatus::Error("segment 7 is not readable".into()));
    assert_eq!(map(&record.attributes)["error.type"], text("io"));
    let [event] = record.events.as_slice() else { panic!("{:?}", record.events) };
    let exception = map(&event.attributes);
    assert_eq!(event.name, "exception");
    assert_eq!(exception["exception.type"], text("io"));
    assert_eq!(exception["exception.message"], text("segment 7 is not readable"));
    assert_eq!(exception["exception.stacktrace"], text("segment 7 is not readable\ncaused by: disk gone"));
}

#[test]
fn after_shutdown_spans_pass_their_parent_on_and_a_second_shutdown_is_fine() {
    let telemetry = telemetry();
    telemetry.close();
    telemetry.close();
    let span = telemetry.spans().start("late").parent(REMOTE).start();
    assert!(!span.is_recording());
    assert_eq!(span.context(), REMOTE);
    drop(span);
    assert!(!telemetry.spans().start("late").root().start().is_recording());
    assert_eq!(telemetry.span_queue().received(), 0);
}

#[test]
fn rates_outside_zero_to_one_are_refused() {
    for rate in [-1.0, f64::NAN, 7.0, f64::INFINITY] {
        let error = init_telemetry(TelemetryConfig::new("test").without_globals().with_sample_rate(rate))
            .expect_err("no share");
        assert!(error.to_string().contains("write a number from 0 (nothing) to 1 (everything)"), "{error}");
    }
}
