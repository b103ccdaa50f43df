//! Every operation is counted once, whatever sampling does.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::{Span, Status, TraceContextExt, TraceState, Tracer, TracerProvider};

use super::{MAX_OPERATIONS, Measurement, RedMetrics};
use crate::record::{Resource, SpanKind};
use crate::sampling::HeadSampler;
use crate::spans::SpanJudges;
use crate::{
    Operation, OtelTracerProvider, OutcomeRules, OutcomeSampler, Redaction, Redactor, Registry, SpanBuilder, SpanQueue,
    Spans, TraceContext, record_exception,
};

const REMOTE: TraceContext = TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], flags: 1 };

fn spans(judges: SpanJudges) -> (Spans, SpanQueue) {
    let queue = SpanQueue::new(NonZeroUsize::new(1_000).unwrap(), NonZeroU32::new(1_000_000).unwrap());
    (Spans::recording_with(Arc::new(Resource::of_service("test")), queue.clone(), judges), queue)
}

fn red(registry: &Registry) -> RedMetrics {
    RedMetrics::new(registry, "app_", None)
}

/// Operations of every sort, one of each.
fn work(spans: &Spans) {
    let root = spans.start("root").root().start();
    drop(root.child("inner").start());
    drop(root.child("handled").kind(SpanKind::Server).start());
    drop(spans.start("served").parent(REMOTE).kind(SpanKind::Server).start());
    drop(spans.start("served").parent_with(REMOTE.unsampled(), "", SpanKind::Server, |_| None).start());
    drop(spans.start("called").parent(REMOTE).kind(SpanKind::Client).start());
    let mut consumed = spans.start("consumed").parent(REMOTE.unsampled()).kind(SpanKind::Consumer).start();
    consumed.record_error(&std::fmt::Error, "x");
}

fn calls(registry: &Registry) -> Vec<String> {
    let text = registry.prometheus_text();
    text.lines().filter_map(|line| line.strip_prefix("app_calls_total")).map(str::to_owned).collect()
}

#[test]
fn roots_and_what_is_served_are_counted_by_kind_and_status() {
    let registry = Registry::new();
    let (spans, queue) = spans(SpanJudges::new(HeadSampler::of_rate(1.0)).with_red_metrics(red(&registry)));
    work(&spans);
    assert_eq!(
        calls(&registry),
        [
            r#"{operation="consumed",kind="consumer",status="error"} 1"#,
            r#"{operation="handled",kind="server",status="ok"} 1"#,
            r#"{operation="root",kind="internal",status="ok"} 1"#,
            r#"{operation="served",kind="server",status="ok"} 2"#,
        ]
    );
    assert_eq!(queue.received(), 5, "measuring records nothing");
    let text = registry.openmetrics_text();
    assert!(
        text.contains("app_duration_seconds_count{operation=\"served\",kind=\"server\",status=\"ok\"} 2"),
        "{text}"
    );
    assert!(text.contains("# {trace_id="), "recorded ones are exemplars: {text}");
}

#[test]
fn what_sampling_leaves_out_is_counted_all_the_same() {
    let registry = Registry::new();
    let (spans, queue) = spans(SpanJudges::new(HeadSampler::of_rate(0.0)).with_red_metrics(red(&registry)));
    for _ in 0..3 {
        drop(spans.start("root").root().start());
    }
    assert_eq!(calls(&registry), [r#"{operation="root",kind="internal",status="ok"} 3"#]);
    assert_eq!(queue.received(), 0);

    let registry = Registry::new();
    let outcome = OutcomeSampler::new(&OutcomeRules { baseline: 0.0, ..OutcomeRules::default() }).unwrap();
    let judges = SpanJudges::new(HeadSampler::of_rate(1.0)).with_outcome(outcome).with_red_metrics(red(&registry));
    let (spans, queue) = self::spans(judges);
    drop(spans.start("root").root().start());
    assert_eq!(calls(&registry), [r#"{operation="root",kind="internal",status="ok"} 1"#]);
    assert_eq!(queue.received(), 0);
    assert!(!registry.openmetrics_text().contains("trace_id="), "no exemplar of what may be dropped");
}

#[test]
fn the_same_is_counted_whether_it_is_recorded_or_not() {
    let counted = |rate| {
        let registry = Registry::new();
        work(&spans(SpanJudges::new(HeadSampler::of_rate(rate)).with_red_metrics(red(&registry))).0);
        calls(&registry)
    };
    assert_eq!(counted(0.0), counted(1.0));
}

/// By way of OpenTelemetry's API and its contexts, where a span that is not recorded is little but its identity.
#[test]
fn operations_that_sampling_left_out_are_timed_to_their_end() {
    let registry = Registry::new();
    let (spans, queue) = spans(SpanJudges::new(HeadSampler::of_rate(0.0)).with_red_metrics(red(&registry)));
    let tracer = OtelTracerProvider::new(&spans).unscoped();
    let remote = Context::new().with_remote_span_context(REMOTE.unsampled().to_span_context(true, TraceState::NONE));
    let begin = |name: &'static str| SpanBuilder::of(tracer.begin(name.into(), &remote, SpanKind::Server, |_| None));

    let mut renamed = begin("GET").start();
    renamed.update_name("GET /orders");
    let operation = Operation::of(renamed, &remote);
    assert_eq!(calls(&registry), [""; 0], "it goes on");
    operation.record_exception(&std::fmt::Error);
    drop(operation);
    let mut expected = vec![r#"{operation="GET /orders",kind="server",status="error"} 1"#];
    assert_eq!(calls(&registry), expected);

    let mut ended = begin("ended").start();
    ended.end();
    expected.push(r#"{operation="ended",kind="server",status="ok"} 1"#);
    assert_eq!(calls(&registry), expected, "at its end, whoever still holds it");
    drop(ended);
    let mut failed = begin("failed").start();
    record_exception(&mut failed, &std::fmt::Error);
    let context = remote.with_span(failed);
    context.span().set_status(Status::Unset);
    drop(context);
    expected.push(r#"{operation="failed",kind="server",status="error"} 1"#);
    assert_eq!(calls(&registry), expected, "and once");
    drop(OtelTracerProvider::new(&spans).tracer("library").start("root"));
    expected.push(r#"{operation="root",kind="internal",status="ok"} 1"#);
    assert_eq!((calls(&registry), queue.received()), (expected.iter().map(|line| (*line).to_owned()).collect(), 0));
}

#[test]
fn names_of_operations_are_redacted_and_bounded() {
    let registry = Registry::with_series_cap(2 * MAX_OPERATIONS);
    let redactor = Arc::new(Redactor::new(&Redaction::default()).unwrap());
    let red = RedMetrics::new(&registry, "app_", Some(redactor));
    let measure = |operation: &str| {
        let (kind, is_root, has_failed) = (SpanKind::Internal, true, false);
        red.measure(Measurement { operation, kind, is_root, has_failed, nanos: 1, exemplar: None });
    };
    measure("mail bob@example.com");
    for number in 0..2 * MAX_OPERATIONS {
        measure(&format!("operation {number}"));
    }
    measure("mail bob@example.com");
    let calls = calls(&registry);
    assert_eq!(calls.len(), MAX_OPERATIONS + 1);
    assert!(calls.iter().any(|line| line == r#"{operation="mail [redacted]",kind="internal",status="ok"} 2"#));
    let folded =
        format!("{{operation=\"__overflow__\",kind=\"__overflow__\",status=\"__overflow__\"}} {}", MAX_OPERATIONS + 1);
    assert!(calls.contains(&folded), "{:?}", calls.first());
}
