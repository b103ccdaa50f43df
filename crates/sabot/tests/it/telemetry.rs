//! `sabot telemetry`.

use sabot_common::clock::{Clock, SystemClock};
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

#[test]
fn enabling_and_disabling() {
    let answer = json!({"enabled": true, "file": "/p/sabot.yaml", "warnings": ["SABOT_SAMPLE_RATE says so"]});
    let server = Server::with("POST /telemetry/enable", &answer);
    server.check("telemetry_enable", &["telemetry", "enable", "--otlp-endpoint", "http://c:4317", "--console"]);
    assert_eq!(server.requests()[0].body, json!({"otlp_endpoint": "http://c:4317", "console": true}).to_string());
    server.run(&["telemetry", "enable", "--otlp-protocol", "http/json", "--sample-rate", "0.5", "--console=false"]);
    let body = json!({"sample_rate": 0.5, "otlp_protocol": "http/json", "console": false});
    assert_eq!(server.requests()[1].body, body.to_string());

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("staging.yaml");
    std::fs::write(&file, "telemetry:\n  enabled: true # on\n").expect("written");
    let server = Server::with("POST /telemetry/disable", json!({"enabled": false, "warnings": []}));
    let path = file.to_str().expect("text");
    let run = server.run(&["telemetry", "disable", "--config-file", path, "--format", "json"]);
    assert_eq!(run.json(), json!({"enabled": false, "warnings": [], "file": path}));
    assert_eq!(server.requests()[0].line, "POST /api/v1/telemetry/disable?write=false");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "telemetry:\n  enabled: false # on\n");
}

#[test]
fn doctor() {
    let now = SystemClock::new().now().unix_nanos();
    let checks = json!([
        {"name": "recording", "status": "warning", "message": "telemetry is off", "fix": "sabot telemetry enable"},
        {"name": "exporter otlp", "status": "ok", "message": "http://c:4317 by grpc: answers in 3 ms"},
    ]);
    let answer = json!({"version": env!("CARGO_PKG_VERSION"), "at_unix_nano": now, "checks": checks});
    let server = Server::with("GET /doctor", &answer);
    server.check("doctor", &["doctor"]);
    let mut worse = answer;
    worse["version"] = json!("0.0.9");
    worse["at_unix_nano"] = json!(now - 3_600_000_000_000);
    worse["checks"][1]["status"] = json!("failed");
    let server = Server::with("GET /doctor", &worse);
    let run = server.run(&["doctor", "--format", "json"]).json();
    assert_eq!(run["status"], "failed");
    let status = |at: usize| run["checks"][at]["status"].clone();
    assert_eq!([status(0), status(1)], ["warning", "warning"], "another version, another time: {run:#}");
}
