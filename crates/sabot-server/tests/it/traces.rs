//! Sabot's own traces: what follows what, and what leaves none.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Running, pause, project, readings};

const PROJECT: &str = "\
telemetry: { service_name: traced }
streams:
  - { name: readings, partitions: 2, event_time: at, source: { file: readings.csv } }
tables:
  - { name: keys, backend: embedded, key: key, source: { file: keys.csv } }
";
const WINDOWS: &str = "\
name: windows
kind: stream
sql: |
  SELECT window_start, key, sum(value) AS total FROM TUMBLE(readings, at, INTERVAL '1 hour')
  GROUP BY window_start, window_end, key
watermark: 1m
output: { stream: totals }
";
const NAMED: &str = "\
name: named
kind: stream
sql: SELECT t.window_start, t.total, k.name FROM totals t JOIN keys k ON t.key = k.key
output: { stream: named_totals }
";
const EXPORTING: &str = "\
telemetry: { tracing: { batch: { scheduled_delay: 50ms } } }
exporters:
  targets: [{ name: copy, type: file, path: telemetry.jsonl, signals: [traces] }]
streams:
  - { name: readings, event_time: at, source: { file: readings.csv } }
";
/// Reads spans, so that it must not make any.
const WATCHER: &str = "SELECT count(*) AS n FROM sabot.spans";

fn finished() -> Running {
    let mut keys = "key,name\n".to_owned();
    for key in 0..97 {
        writeln!(keys, "k{key},name {key}").expect("text");
    }
    let server = Running::on(&[
        ("sabot.yaml", PROJECT),
        ("readings.csv", &readings(30_000)),
        ("keys.csv", &keys),
        ("agents/windows.yaml", WINDOWS),
        ("agents/named.yaml", NAMED),
    ]);
    server.until_finished();
    server
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn a_trace_goes_from_the_file_through_two_agents_to_the_commit() {
    let server = finished();
    let query = "SELECT trace_id FROM sabot.spans WHERE operation = 'process_batch named' LIMIT 1";
    let found = server.until("a batch of the second agent", || server.sql(query).pop());
    let trace = server.get(&format!("/traces/{}", text(&found, "trace_id")));
    let spans = trace["spans"].as_array().unwrap();
    let of = |id: &str| spans.iter().find(|span| text(span, "span_id") == id);
    let batch = spans.iter().find(|span| text(span, "name") == "process_batch named").unwrap();
    let mut path = vec![text(batch, "name")];
    let mut span = batch;
    while let Some(parent) = span["parent_span_id"].as_str().and_then(of) {
        path.push(text(parent, "name"));
        span = parent;
    }
    assert_eq!(path.first(), Some(&"process_batch named"));
    assert_eq!(path.last(), Some(&"process_batch source:readings"), "{path:?}");
    assert!(path.contains(&"process_batch windows"), "{path:?}");
    // The projection behind the window works on what several windows gave: it is linked to them.
    let links = spans.iter().filter(|span| text(span, "name") == "filter_project");
    let linked = links.flat_map(|span| span["links"].as_array().unwrap()).filter_map(|link| of(text(link, "span_id")));
    assert!(linked.into_iter().any(|span| text(span, "name") == "window_fire"), "{spans:#?}");
    let below = |name: &str, child: &str| {
        let parents = spans.iter().filter(|span| text(span, "name") == name).map(|span| text(span, "span_id"));
        parents.into_iter().any(|id| spans.iter().any(|s| text(s, "parent_span_id") == id && text(s, "name") == child))
    };
    assert!(below("process_batch named", "join inner") && below("join inner", "state_get"));
    assert!(spans.iter().any(|span| text(span, "name") == "commit"), "what made it durable is part of it");
    let fire = spans.iter().find(|span| text(span, "name") == "window_fire").unwrap();
    assert!(text(&fire["attributes"], "sabot.window_start").starts_with("2026-01-0"));
    assert_eq!(batch["attributes"]["sabot.agent"], "named");
}

#[test]
fn a_callers_trace_goes_on_in_the_request_it_made() {
    let server = finished();
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(server.ask("/api/v1/streams", &[("traceparent", traceparent)]).0, 200);
    let trace = server.until("the request's span", || {
        let (status, body) = server.ask("/api/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736", &[]);
        (status == 200).then(|| serde_json::from_str::<Value>(&body).unwrap())
    });
    let span = &trace["spans"][0];
    assert_eq!((text(span, "name"), text(span, "kind")), ("GET /api/v1/streams", "server"));
    assert_eq!(text(span, "parent_span_id"), "00f067aa0ba902b7");
    assert_eq!(span["attributes"]["http.response.status_code"], 200);
}

#[test]
fn watching_makes_nothing_to_watch() {
    let server = finished();
    let received = || server.metrics()["sabot_spans_received_total{protocol=\"internal\"}"];
    let settled = || {
        let before = received();
        pause(Duration::from_millis(300));
        ((received() - before).abs() < 0.5).then_some(before)
    };
    let before = server.until("no spans are on their way", settled);
    for _ in 0..20 {
        server.ask("/metrics", &[]);
        server.ask("/", &[]);
        server.ask("/health", &[]);
        server.ask("/ready", &[]);
        server.get("/overview");
        server.get("/traces?limit=5");
        server.get("/telemetry/metrics");
        server.get("/telemetry/services");
        server.get("/status");
    }
    pause(Duration::from_millis(500));
    assert!((received() - before).abs() < 0.5, "{before} spans before, {} after", received());
    // A query leaves the span of its request, and reading spans adds none.
    server.sql(WATCHER);
    server.until("the query's span", || ((received() - before - 1.0).abs() < 0.5).then_some(()));
}

#[test]
fn what_is_sent_elsewhere_is_accounted_for() {
    let dir = project(&[("readings.csv", &readings(100)), ("sabot.yaml", EXPORTING)]);
    let file = dir.path().join("telemetry.jsonl");
    let server = Running::start(dir);
    server.until_finished();
    let sent = server.until("spans in the file", || {
        let status = server.get("/telemetry/status");
        let sent = status["queues"][0]["sent"].as_u64().filter(|sent| *sent > 0 && status["queues"][0]["queued"] == 0);
        sent.map(|_| status)
    });
    assert_eq!((text(&sent["exporters"][0], "name"), text(&sent["exporters"][0], "circuit")), ("copy", "closed"));
    let recorded = sent["spans_recorded"].as_u64().unwrap();
    assert!(sent["queues"][0]["accepted"].as_u64().unwrap() <= recorded, "{sent:#}");
    let _dir = server.stop();
    let lines = std::fs::read_to_string(file).unwrap();
    let spans: usize = lines.lines().map(|line| line.matches("\"spanId\"").count()).sum();
    assert!(spans as u64 >= recorded, "{spans} spans in the file, {recorded} were recorded before it stopped");
}
