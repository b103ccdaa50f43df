//! One trace by its id.

use sabot_observatory::MAX_TRACE_SPANS;
use sabot_telemetry::{AttributeValue, SpanEvent, SpanLink, SpanStatus};
use serde_json::json;

use crate::support::{Bench, NOW, at, child, root, text, trace_id, with_attribute};

#[tokio::test]
async fn comes_back_as_it_was_recorded_from_memory_and_from_disk() {
    let bench = Bench::new();
    let mut first = with_attribute(root(7, "checkout"), "items", AttributeValue::Int(12));
    first = with_attribute(first, "ratio", AttributeValue::Float(0.5));
    first = with_attribute(first, "twelve", text("12"));
    first = with_attribute(first, "paid", AttributeValue::Bool(true));
    first.status = SpanStatus::Error("card \"declined\"".into());
    let attributes = vec![("attempt".into(), AttributeValue::Int(2)), ("why".into(), text("ünicode"))];
    first.events = vec![
        SpanEvent { name: "empty".into(), at_unix_nano: 5, attributes: Vec::new() },
        SpanEvent { name: "retry".into(), at_unix_nano: 6, attributes },
    ];
    first.links = vec![SpanLink { trace_id: [0xcd; 16], span_id: [0xef; 8] }];
    let expected = json!({
        "trace_id": trace_id(7),
        "spans": [{
            "span_id": "0000000000000001", "parent_span_id": null, "service": "shop", "name": "checkout",
            "kind": "server", "start_unix_nano": NOW, "end_unix_nano": NOW + 10_000_000,
            "status": "error", "status_message": "card \"declined\"",
            "attributes": {"items": 12, "ratio": 0.5, "twelve": "12", "paid": true},
            "events": [
                {"name": "empty", "at_unix_nano": 5, "attributes": {}},
                {"name": "retry", "at_unix_nano": 6, "attributes": {"attempt": 2, "why": "ünicode"}},
            ],
            "links": [{"trace_id": "cd".repeat(16), "span_id": "ef".repeat(8)}],
        }, {
            "span_id": "0000000000000002", "parent_span_id": "0000000000000001", "service": "shop", "name": "pay",
            "kind": "internal", "start_unix_nano": NOW + 1, "end_unix_nano": NOW + 2,
            "status": "unset", "status_message": null, "attributes": {}, "events": [], "links": [],
        }],
        "truncated": false,
    });
    bench.store.append(vec![root(6, "other"), at(child(7, 2, "pay"), 1, 2), first, root(8, "other")]);
    for place in ["memory", "disk"] {
        let id = trace_id(7).to_uppercase();
        let trace = bench.reader().trace(&id, MAX_TRACE_SPANS).await.expect("an answer").expect("a trace");
        assert_eq!(serde_json::to_value(trace).expect("json"), expected, "{place}");
        let first = bench.reader().trace(&id, 1).await.expect("an answer").expect("a trace");
        assert_eq!((first.spans.len(), first.truncated), (1, true), "{place}");
        bench.store.flush().expect("a block");
    }
}

#[tokio::test]
async fn unknown_and_malformed_ids_find_nothing() {
    let bench = Bench::new();
    bench.append_and_flush(&[root(1, "work")]);
    for id in ["", "0", &trace_id(2), "' OR '1'='1", &"g".repeat(32), &"ü".repeat(16)] {
        assert_eq!(bench.reader().trace(id, MAX_TRACE_SPANS).await.expect("an answer"), None, "{id}");
    }
}

#[tokio::test]
async fn odd_traces_are_stored_and_shown() {
    let bench = Bench::new();
    let twice = child(1, 9, "sent twice");
    let backwards = at(child(1, 3, "skewed clock"), 500, -500);
    bench.append_and_flush(&[twice.clone(), backwards, at(child(1, 4, "early"), -1_000, 0)]);
    bench.append_and_flush(&[twice]);
    let trace = bench.reader().trace(&trace_id(1), MAX_TRACE_SPANS).await.expect("an answer").expect("a trace");
    let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["early", "sent twice", "sent twice", "skewed clock"]);
    assert_eq!(trace.spans[3].end_unix_nano, NOW - 500);
    let zero = "SELECT count(*) FROM sabot.spans WHERE operation = 'skewed clock' AND duration_ms = 0";
    assert_eq!(crate::support::number(&bench.store, zero).await, 1);
}

#[tokio::test]
async fn of_ten_thousand_spans_among_others() {
    let bench = Bench::new();
    let of = |trace, from: u64| -> Vec<_> { (from..from + 10_000).map(|id| child(trace, id, "step")).collect() };
    for trace in [1, 2, 3] {
        bench.append_and_flush(&of(trace, 10));
    }
    let trace = bench.reader().trace(&trace_id(2), MAX_TRACE_SPANS).await.expect("an answer").expect("a trace");
    assert_eq!((trace.spans.len(), trace.truncated), (10_000, false));
    assert!(trace.spans.is_sorted_by(|a, b| a.span_id < b.span_id));
}
