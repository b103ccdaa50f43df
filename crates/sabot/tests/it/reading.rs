//! Commands that read: a table for people, one document for programs.

use serde_json::{Value, json};

use crate::canned;
use crate::support::Server;

#[test]
fn status() {
    let server = Server::with("GET /status", canned::status());
    server.check("status", &["status"]);
    server.check("status_detailed", &["status", "--detailed"]);
    assert_eq!(server.run(&["status", "--format", "json"]).json(), canned::status());
}

#[test]
fn streams() {
    let server = Server::answering([
        ("GET /streams", 200, canned::streams()),
        ("GET /streams/flights", 200, canned::stream()),
        ("GET /streams/flights/rows", 200, canned::stream_rows()),
    ]);
    server.check("streams_list", &["streams", "list"]);
    server.check("streams_list_json", &["streams", "list", "--format", "json"]);
    server.check("streams_list_yaml", &["streams", "list", "--format", "yaml"]);
    server.check("streams_show", &["streams", "show", "flights"]);
    assert_eq!(server.run(&["streams", "show", "flights", "--format", "json"]).json(), canned::stream());
    server.check("streams_tail", &["streams", "tail", "flights"]);
    server.check("streams_tail_json", &["streams", "tail", "flights", "--format", "json"]);
}

#[test]
fn tables() {
    let server = Server::answering([
        ("GET /tables", 200, canned::tables()),
        ("GET /tables/planes/rows", 200, json!({"table": "planes", "rows": [canned::plane()]})),
        ("GET /tables/planes/rows/N14228", 200, canned::plane()),
    ]);
    server.check("tables_list", &["tables", "list"]);
    assert_eq!(server.run(&["tables", "list", "--format", "json"]).json(), canned::tables());
    server.check("tables_get", &["tables", "get", "planes", "N14228"]);
    server.check("tables_get_json", &["tables", "get", "planes", "N14228", "--format", "json"]);
    server.check("tables_scan", &["tables", "scan", "planes"]);
    assert_eq!(server.run(&["tables", "scan", "planes", "--format", "json"]).json(), json!([canned::plane()]));
}

#[test]
fn agents() {
    let server = Server::answering([
        ("GET /agents", 200, canned::agents()),
        ("GET /agents/hourly-delays", 200, canned::agent()),
    ]);
    server.check("agents_list", &["agents", "list"]);
    assert_eq!(server.run(&["agents", "list", "--format", "json"]).json(), canned::agents());
    server.check("agents_list_status", &["agents", "list", "--status", "failed"]);
    server.check("agents_show", &["agents", "show", "hourly-delays"]);
    assert_eq!(server.run(&["agents", "show", "hourly-delays", "--format", "json"]).json(), canned::agent());
}

#[test]
fn nothing_to_show_is_said_on_stderr_and_is_still_a_document() {
    let empty = json!([]);
    let server = Server::answering([
        ("GET /streams", 200, empty.clone()),
        ("GET /tables", 200, empty.clone()),
        ("GET /agents", 200, empty.clone()),
        ("GET /traces", 200, json!({"traces": []})),
        ("GET /telemetry/metrics", 200, json!({"timestamp": "2026-01-02T03:04:05Z", "metrics": []})),
        ("GET /streams/s/rows", 200, json!({"stream": "s", "rows": []})),
    ]);
    for (args, said) in [
        (vec!["streams", "list"], "no streams\n"),
        (vec!["tables", "list"], "no tables\n"),
        (vec!["agents", "list"], "no agents\n"),
        (vec!["agents", "list", "--status", "draining"], "no agents with status draining\n"),
        (vec!["telemetry", "traces"], "no traces\n"),
        (vec!["telemetry", "metrics"], "no metrics\n"),
        (vec!["streams", "tail", "s"], "no rows\n"),
    ] {
        let run = server.run(&args);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", said), "{args:?}");
        let quiet = server.run(&[&args[..], &["--quiet", "--format", "json"]].concat());
        assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""), "{args:?}");
        let document = quiet.json();
        assert!(document == empty || document.get("metrics").and_then(Value::as_array).is_some_and(Vec::is_empty));
    }
}
