//! Sabot's own telemetry, changed while it runs and looked after.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Running, project};

/// A receiver of OTLP over HTTP that takes everything: where it is, and the bodies that come to it.
#[expect(clippy::disallowed_methods, reason = "a test server has no runtime to spawn on")]
fn receiver() -> (SocketAddr, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (received, receive) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, received) = (stream.expect("a connection"), received.clone());
            std::thread::spawn(move || {
                while let Some(request) = answer(&mut stream) {
                    if received.send(request).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, receive)
}

/// Reads one request and says yes; its path and body.
fn answer(stream: &mut std::net::TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        bytes.extend(byte);
        if bytes.ends_with(b"\r\n\r\n") {
            break String::from_utf8(bytes).ok()?.to_lowercase();
        }
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some((path, String::from_utf8_lossy(&body).into_owned()))
}

fn check<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let all = checks["checks"].as_array().expect("checks");
    all.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {checks:#}"))
}

const PROJECT: &str =
    "# mine\ntelemetry:\n  sample_rate: 1.0 # all\n  tracing:\n    batch: { scheduled_delay: 50ms }\n";

#[test]
fn telemetry_goes_on_and_off_at_once_and_in_the_file() {
    let (address, received) = receiver();
    let server = Running::on(&[("sabot.yaml", PROJECT)]);
    let file = server.dir.path().join("sabot.yaml");

    let (status, off) = server.post_json("/telemetry/disable", "{}");
    assert_eq!((status, &off["enabled"], &off["warnings"]), (200, &json!(false), &json!([])), "{off}");
    assert_eq!(off["file"], json!(file));
    assert_eq!(fs::read_to_string(&file).expect("a file"), format!("{PROJECT}  enabled: false\n"));
    let recorded = || server.get("/telemetry/status")["spans_recorded"].as_u64().expect("a number");
    let before = recorded();
    server.ask("/api/v1/agents", &[]);
    assert_eq!(recorded(), before, "no span of the request");
    assert_eq!(check(&server.get("/doctor"), "recording")["fix"], "sabot telemetry enable");

    let endpoint = format!("http://{address}");
    let request = json!({ "otlp_endpoint": endpoint, "otlp_protocol": "http/json", "service_name": "flights" });
    let (status, on) = server.post_json("/telemetry/enable", &request.to_string());
    assert_eq!((status, &on["enabled"]), (200, &json!(true)), "{on}");
    server.ask("/api/v1/agents", &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]);
    let sent = loop {
        let (path, body) = received.recv_timeout(Duration::from_mins(1)).expect("spans");
        if path == "/v1/traces" && body.contains("0af7651916cd43dd8448eb211c80319c") {
            break body;
        }
    };
    assert!(sent.contains("\"flights\"") && sent.contains("GET /api/v1/agents"), "{sent}");
    let checks = server.get("/doctor");
    for name in ["address", "recording", "sampling", "batches", "queues", "span store", "exporter otlp", "metrics"] {
        assert_eq!(check(&checks, name)["status"], "ok", "{checks:#}");
    }
    let text = fs::read_to_string(&file).expect("a file");
    assert!(text.starts_with("# mine\ntelemetry:\n  sample_rate: 1.0 # all\n"), "{text}");
    let shown = server.get("/config");
    let entries = shown["entries"].as_array().expect("entries");
    let endpoint_shown = entries.iter().find(|entry| entry["key"] == "telemetry.tracing.otlp_endpoint").expect("a key");
    assert_eq!(endpoint_shown["value"], json!(endpoint));

    // What was written is what the next start reads.
    let server = Running::start(server.stop());
    let status = server.get("/telemetry/status");
    assert_eq!((&status["enabled"], &status["service_name"]), (&json!(true), &json!("flights")));
    assert_eq!(status["exporters"][0]["name"], "otlp");
}

#[test]
fn what_cannot_work_is_refused_and_changes_nothing() {
    let server = Running::on(&[("sabot.yaml", PROJECT)]);
    let own = format!("http://127.0.0.1:{}", server.port());
    for (request, expected) in [
        (json!({ "otlp_endpoint": "localhost:4317" }), "it has no scheme: write http://localhost:4317"),
        (json!({ "otlp_endpoint": "http://localhost:4318" }), "port 4318 is that of OTLP over HTTP"),
        (json!({ "otlp_endpoint": own }), "its endpoint is this server itself"),
        (json!({ "sample_rate": 1.5 }), "telemetry.sample_rate"),
        (json!({ "service_name": "" }), "service_name"),
        (json!({ "colour": "red" }), "colour"),
    ] {
        let (status, answer) = server.post_json("/telemetry/enable", &request.to_string());
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!((400..500).contains(&status) && message.contains(expected), "{request}: {status} {answer}");
    }
    let text = fs::read_to_string(server.dir.path().join("sabot.yaml")).expect("a file");
    assert_eq!(text, PROJECT);
    assert_eq!(server.get("/telemetry/status")["exporters"], json!([]));

    let (status, kept) = server.post_json("/telemetry/disable?write=false", "{}");
    assert_eq!((status, kept.get("file")), (200, None));
    assert_eq!(fs::read_to_string(server.dir.path().join("sabot.yaml")).expect("a file"), PROJECT);
}

#[test]
fn targets_of_the_file_are_not_passed_over_in_silence() {
    let targets =
        "exporters:\n  targets:\n  - { name: dead, type: otlp, endpoint: \"http://127.0.0.1:9\", protocol: grpc }\n";
    let server = Running::start(project(&[("sabot.yaml", targets)]));
    let request = json!({ "otlp_endpoint": "http://localhost:4317" }).to_string();
    let (status, answer) = server.post_json("/telemetry/enable", &request);
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 422 && message.contains("exporters.targets in "), "{answer}");

    let checks = server.get("/doctor");
    let dead = check(&checks, "exporter dead");
    assert_eq!(dead["status"], "failed", "{dead}");
    assert!(dead["message"].as_str().is_some_and(|message| message.contains("refused")), "{dead}");
    assert!(dead["fix"].as_str().is_some_and(|fix| fix.contains("start what listens there")), "{dead}");
}

#[test]
fn a_file_that_cannot_be_changed_is_left_and_told_of() {
    let server = Running::on(&[("sabot.yaml", PROJECT)]);
    let file = server.dir.path().join("sabot.yaml");
    // Somebody is in the middle of editing it.
    fs::write(&file, "telemetry: [\n").expect("written");
    let (status, answer) = server.post_json("/telemetry/disable", "{}");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 422 && message.contains("sabot.yaml: cannot be changed by a program"), "{status} {answer}");
    assert_eq!(server.get("/telemetry/status")["enabled"], true);
    assert_eq!(fs::read_to_string(&file).expect("a file"), "telemetry: [\n");
}
