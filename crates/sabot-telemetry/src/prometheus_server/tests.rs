//! Over real sockets: what is asked for, what is too much, and what is left afterwards.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;

use super::head::{Head, Request};
use super::response::{respond, takes_gzip};
use super::{LIMITS, Limits, PrometheusServer, serve_prometheus, serve_with};
use crate::{
    MetricsRecorder, OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE, Registry, TelemetryConfig, init_telemetry,
};

/// What Prometheus 3 sends.
const PROMETHEUS_ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
    text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

struct Answer {
    status: String,
    head: String,
    body: Vec<u8>,
}

fn registry() -> Registry {
    let registry = Registry::new();
    MetricsRecorder::new(&registry).record_counter_with("events", 7, &[("agent", "totals")]);
    registry
}

fn serve(registry: &Registry) -> PrometheusServer {
    serve_prometheus(registry, "127.0.0.1:0").unwrap()
}

fn connect(server: &PrometheusServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.lines().next().unwrap().to_owned();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

fn ask(server: &PrometheusServer, request: &str) -> Answer {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    read(&mut stream)
}

#[test]
fn a_scrape_gets_the_format_it_prefers() {
    let registry = registry();
    let server = serve(&registry);
    let answer = ask(&server, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(answer.status, "HTTP/1.1 200 OK");
    assert!(answer.head.contains(PROMETHEUS_CONTENT_TYPE), "{}", answer.head);
    assert!(answer.head.contains(&format!("content-length: {}\r\n", answer.body.len())));
    assert_eq!(answer.body, registry.prometheus_text().as_bytes());

    let answer = ask(&server, &format!("GET /metrics?x=1 HTTP/1.1\r\nAccept: {PROMETHEUS_ACCEPT}\r\n\r\n"));
    assert!(answer.head.contains(OPENMETRICS_CONTENT_TYPE), "{}", answer.head);
    assert_eq!(answer.body, registry.openmetrics_text().as_bytes());
    assert!(answer.body.ends_with(b"# EOF\n"));
}

#[test]
fn compression_is_used_when_asked_for() {
    let registry = registry();
    let server = serve(&registry);
    let answer = ask(&server, "GET /metrics HTTP/1.1\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n");
    assert!(answer.head.contains("content-encoding: gzip\r\n"), "{}", answer.head);
    let mut text = String::new();
    GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, registry.prometheus_text());
}

#[test]
fn head_hears_of_the_body_only() {
    let registry = registry();
    let server = serve(&registry);
    let answer = ask(&server, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert_eq!((answer.status.as_str(), answer.body.len()), ("HTTP/1.1 200 OK", 0));
    assert!(answer.head.contains(&format!("content-length: {}\r\n", registry.prometheus_text().len())));
}

#[test]
fn everything_else_is_refused_with_a_reason() {
    let server = serve(&registry());
    let check = |request: &str, status: &str| assert_eq!(ask(&server, request).status, format!("HTTP/1.1 {status}"));
    check("GET / HTTP/1.1\r\n\r\n", "404 Not Found");
    check("GET /metrics/x HTTP/1.1\r\n\r\n", "404 Not Found");
    check("HEAD /other HTTP/1.0\r\n\r\n", "404 Not Found");
    check("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed");
    check("GET /metrics\r\n\r\n", "400 Bad Request");
    check("GET /metrics HTTP/2\r\n\r\n", "400 Bad Request");
    check("GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", "400 Bad Request");
    check("\x16\x03\x01 tls?\r\n\r\n", "400 Bad Request");
    let allowed = ask(&server, "DELETE /metrics HTTP/1.1\r\n\r\n").head;
    assert!(allowed.contains("allow: GET, HEAD\r\n"), "{allowed}");
}

#[test]
fn a_head_without_end_is_cut_off() {
    let server = serve(&registry());
    let mut stream = connect(&server);
    // Exactly as much as it reads, so that nothing is left unread when it closes.
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nx: {}", "x".repeat(LIMITS.head_bytes - 26)).as_bytes()).unwrap();
    assert_eq!(read(&mut stream).status, "HTTP/1.1 431 Request Header Fields Too Large");
}

#[test]
fn a_caller_that_says_nothing_or_too_little_is_let_go() {
    let limits = Limits { patience: Duration::from_millis(50), ..LIMITS };
    let server = serve_with(&registry(), "127.0.0.1:0", limits).unwrap();
    for said in ["", "GET /metr"] {
        let mut stream = connect(&server);
        stream.write_all(said.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Closed without an answer, long before the test's own patience ends.
        let read = stream.read_to_end(&mut answer);
        assert!(read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        assert_eq!(answer, b"");
    }
    assert_eq!(ask(&server, "GET /metrics HTTP/1.1\r\n\r\n").status, "HTTP/1.1 200 OK");
}

#[test]
fn callers_above_the_limit_are_turned_away_and_places_come_back() {
    let server = serve_with(&registry(), "127.0.0.1:0", Limits { connections: 2, ..LIMITS }).unwrap();
    let mut held: Vec<_> = (0..2).map(|_| connect(&server)).collect();
    // Connections are taken in order, so the two are there when the third is.
    let turned_away = read(&mut connect(&server));
    assert_eq!(turned_away.status, "HTTP/1.1 503 Service Unavailable");
    for stream in &mut held {
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(read(stream).status, "HTTP/1.1 200 OK");
    }
    // Their threads give the places back a moment after the answer.
    assert!((0..1_000).any(|_| is_let_in(&server)));
}

fn is_let_in(server: &PrometheusServer) -> bool {
    let mut stream = connect(server);
    // It may be turned away before it has asked.
    drop(stream.write_all(b"HEAD /metrics HTTP/1.1\r\n\r\n"));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    answer.starts_with(b"HTTP/1.1 200 OK")
}

#[test]
fn a_caller_that_does_not_read_its_answer_is_let_go() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    let long = "x".repeat(1_000);
    for number in 0..16_000 {
        // More than the system buffers.
        recorder.record_counter_with(&format!("m{}", number / 2_000), 1, &[(long.as_str(), number)]);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let request = Request { method: "GET".to_owned(), path: "/metrics".to_owned(), ..Request::default() };
    let limits = Limits { patience: Duration::from_millis(50), ..LIMITS };
    let error = respond(&stream, limits, &Head::Request(request), &registry).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock), "{error}");
}

#[test]
fn after_a_stop_the_port_is_free() {
    let registry = registry();
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = serve_prometheus(&registry, address).unwrap();
        let held = connect(&server);
        let taken = server.address();
        assert!(serve_prometheus(&registry, taken).is_err(), "it is listening");
        server.stop();
        drop(held);
        let refused = TcpStream::connect_timeout(&super::reachable(taken), Duration::from_secs(5));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_scrape_that_panics_takes_nobody_along() {
    let registry = registry();
    registry.on_collect(Box::new(|| panic!("a callback that fails, as it should in this test")));
    let server = serve(&registry);
    for _ in 0..=LIMITS.connections {
        assert_eq!(ask(&server, "GET /metrics HTTP/1.1\r\n\r\n").status, "HTTP/1.1 200 OK");
    }
}

#[test]
fn preferences_are_weighed() {
    let registry = Registry::new();
    for (accept, expected) in [
        ("", false),
        ("*/*", false),
        ("text/html,*/*;q=0.1", false),
        ("application/openmetrics-text", true),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", true),
        ("application/openmetrics-text;version=\"1.0.0\"", true),
        ("application/openmetrics-text;version=0.0.1", false),
        ("Application/OpenMetrics-Text;q=0", false),
        ("application/openmetrics-text;q=nonsense", false),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.3", false),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.3", true),
        (PROMETHEUS_ACCEPT, true),
    ] {
        assert_eq!(registry.text_for(accept).0 == OPENMETRICS_CONTENT_TYPE, expected, "{accept}");
    }
    for (encoding, expected) in
        [("", false), ("gzip", true), ("br, GZIP ; q=0.1", true), ("gzip;q=0", false), ("gzipped", false), ("*", false)]
    {
        assert_eq!(takes_gzip(encoding), expected, "{encoding}");
    }
}

#[test]
fn telemetry_serves_its_metrics_until_everything_is_sent() {
    let config =
        || TelemetryConfig::new("served").without_environment().without_globals().with_resource_detection(false);
    let telemetry = init_telemetry(config().with_prometheus_address("localhost:0")).unwrap();
    MetricsRecorder::new(telemetry.registry()).record_counter("events", 7);
    let address = telemetry.prometheus_address().expect("an address");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let answer = read(&mut stream);
    assert!(String::from_utf8_lossy(&answer.body).contains("events_total 7\n"), "{}", answer.head);

    let taken = init_telemetry(config().with_prometheus_address(address.to_string())).expect_err("taken").to_string();
    assert!(taken.starts_with(&format!("metrics cannot be served at {address}: ")), "{taken}");
    assert!(telemetry.shutdown_blocking(Duration::from_secs(5)));
    assert_eq!(telemetry.prometheus_address(), None);
    TcpListener::bind(address).expect("the port is free again");
}
