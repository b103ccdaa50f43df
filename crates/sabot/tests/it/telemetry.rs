//! `sabot telemetry`.

use serde_json::json;

use crate::canned::{self, TRACE_ID};
use crate::support::Server;

#[test]
fn traces() {
    let server = Server::with("GET /traces", canned::traces());
    server.check("telemetry_traces", &["telemetry", "traces"]);
    let listed = server.run(&["telemetry", "traces", "--format", "json"]).json();
    assert_eq!(listed, canned::traces()["traces"], "a list, as the CLI's contract says");
}

#[test]
fn every_condition_travels() {
    let server = Server::with("GET /traces", canned::traces());
    server.run(&[
        "telemetry",
        "traces",
        "--limit",
        "5",
        "--service",
        "a b",
        "--operation",
        "commit",
        "--tag",
        "k=v",
        "--tag",
        "x=y=z",
        "--status",
        "error",
        "--min-duration",
        "1s",
        "--max-duration",
        "1h30m",
        "--since",
        "1d",
        "--where",
        "spans > 3",
    ]);
    assert_eq!(
        server.requests()[0].line,
        "GET /api/v1/traces?limit=5&service=a%20b&operation=commit&status=error&min_duration=1s&max_duration=1h30m\
         &since=1d&where=spans%20%3E%203&tag=k%3Dv&tag=x%3Dy%3Dz"
    );
}

#[test]
fn trace() {
    let server = Server::answering([
        ("GET /traces/4bf92f3577b34da6a3ce929d0e0e4736", 200, canned::trace()),
        ("GET /traces/bad", 200, json!({"spans": 1})),
    ]);
    server.check("telemetry_trace", &["telemetry", "trace", TRACE_ID]);
    assert_eq!(server.run(&["telemetry", "trace", TRACE_ID, "--format", "json"]).json(), canned::trace());
    server.check("telemetry_trace_misshapen", &["telemetry", "trace", "bad"]);
}

#[test]
fn metrics() {
    let server = Server::with("GET /telemetry/metrics", canned::metrics());
    server.check("telemetry_metrics", &["telemetry", "metrics"]);
    let json = server.run(&["telemetry", "metrics", "--component", "stream", "--format", "json"]);
    assert_eq!(json.json(), canned::metrics());
    assert_eq!(server.requests()[1].line, "GET /api/v1/telemetry/metrics?component=stream");
}

#[test]
fn status() {
    let server = Server::with("GET /telemetry/status", canned::telemetry_status());
    server.check("telemetry_status", &["telemetry", "status"]);
    assert_eq!(server.run(&["telemetry", "status", "--format", "json"]).json(), canned::telemetry_status());
    let mut alone = canned::telemetry_status();
    alone["exporters"] = serde_json::json!([]);
    alone["queues"] = serde_json::json!([]);
    let server = Server::with("GET /telemetry/status", alone);
    server.check("telemetry_status_alone", &["telemetry", "status"]);
}
