//! Commands that go on until they are ended.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::canned;
use crate::support::{Server, sabot};

fn server() -> Server {
    Server::answering([
        ("GET /streams/flights", 200, canned::stream()),
        ("GET /telemetry/metrics", 200, canned::metrics()),
    ])
}

#[test]
fn once_is_one_reading() {
    let server = server();
    server.check("streams_monitor_once", &["streams", "monitor", "flights", "--once"]);
    server.check("streams_monitor_once_metrics", &["streams", "monitor", "flights", "--once", "--metrics"]);
    let document = server.run(&["streams", "monitor", "flights", "--once", "--metrics", "--format", "json"]).json();
    assert_eq!(document["metrics"], json!([canned::metrics()["metrics"][0]]), "only this stream's metrics");
    assert!(server.requests().iter().all(|request| request.headers["x-sabot-poll"] == "1"));
}

#[test]
fn one_document_and_following_exclude_each_other() {
    let server = server();
    server.check("streams_monitor_json", &["streams", "monitor", "flights", "--format", "json"]);
    assert_eq!(server.run(&["telemetry", "metrics", "--watch", "--format", "yaml"]).code, 2);
    assert_eq!(server.run(&["streams", "monitor", "nothing"]).code, 4);
}

/// Reads `count` lines, then closes the pipe and waits for the end.
fn first_lines(args: &[&str], count: usize) -> (Vec<String>, Option<i32>, String) {
    let server = server();
    let mut child = sabot()
        .args(args)
        .args(["--server", &server.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let lines = lines.take(count).map(|line| line.expect("a line")).collect();
    let output = child.wait_with_output().expect("an end");
    (lines, output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn a_pipe_gets_a_line_a_second_and_may_close() {
    let line = "flights  336,776 events  80123.4 events/s  40 MiB  lag 1,024";
    let (lines, code, stderr) = first_lines(&["streams", "monitor", "flights"], 2);
    assert_eq!(lines, [line, line]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "a closed pipe is not an error");
}

#[test]
fn metrics_are_watched() {
    let (lines, code, _) = first_lines(&["telemetry", "metrics", "--watch"], 5);
    assert!(lines[0].starts_with("NAME") && lines[4].starts_with("NAME"), "{lines:?}");
    assert_eq!(code, Some(0));
}
