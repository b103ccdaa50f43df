//! Requests that are wrong, hostile or from elsewhere: each is refused in the shape of every error.

use std::net::{IpAddr, Ipv4Addr};

use sabot_server::UpOptions;
use serde_json::Value;

use crate::support::{Running, project};

fn server() -> Running {
    Running::on(&[("sabot.yaml", "streams:\n  - { name: s, source: { file: s.csv } }\n"), ("s.csv", "a\n1\n2\n3\n")])
}

/// The error in an answer; it has the three fields and no others.
#[track_caller]
fn error(body: &str) -> (String, String, String) {
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body:?}"));
    let error = answer["error"].as_object().unwrap_or_else(|| panic!("no error: {body}"));
    assert!(error.keys().all(|key| ["code", "message", "hint"].contains(&key.as_str())), "{body}");
    let text = |name| error.get(name).map_or_else(String::new, |text| text.as_str().expect("text").to_owned());
    assert!(!text("message").is_empty(), "{body}");
    (text("code"), text("message"), text("hint"))
}

#[test]
fn errors_have_one_shape_whoever_finds_them() {
    let server = server();
    let large = vec![b'x'; 5 << 20];
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let post = |path: &str, kind: &str| format!("POST /api/v1{path} HTTP/1.1\nhost: localhost\ncontent-type: {kind}");
    let plain = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\nhost: localhost");
    let json = "application/json";
    for (head, body, status, code) in [
        (plain("GET", "/api/v1/nothing"), &b""[..], 404, "not_found"),
        (plain("GET", "/api/v1"), b"", 404, "not_found"),
        (plain("GET", "/api/v1/"), b"", 404, "not_found"),
        (plain("GET", "/api/v1/streams/none"), b"", 404, "not_found"),
        (plain("GET", "/api/v1/streams/%FF%FE"), b"", 400, "bad_request"),
        (plain("GET", "/api/v1/tables/a%2Fb/rows/%C3"), b"", 400, "bad_request"),
        (plain("PATCH", "/api/v1/streams"), b"", 405, "method_not_allowed"),
        (plain("DELETE", "/api/v1/status"), b"", 405, "method_not_allowed"),
        (plain("POST", "/health"), b"", 405, "method_not_allowed"),
        (post("/sql", json), b"{", 400, "bad_request"),
        (post("/sql", json), b"", 400, "bad_request"),
        (post("/sql", json), b"\xff\xfe", 400, "bad_request"),
        (post("/sql", json), br#"{"query": 1}"#, 400, "bad_request"),
        (post("/sql", json), br#"{"query": "SELECT 1", "limit": 5}"#, 400, "bad_request"),
        (post("/sql", json), deep.as_bytes(), 400, "bad_request"),
        (post("/sql", "text/plain"), br#"{"query": "SELECT 1"}"#, 415, "unsupported_media_type"),
        (post("/sql", json), &large, 413, "too_large"),
        (post("/agents", "text/yaml"), &large, 413, "too_large"),
        (post("/agents", "text/yaml"), b"\xff\xfe", 400, "bad_request"),
        (post("/agents", "text/yaml"), b"name: [", 422, "invalid"),
        (post("/agents/validate", "text/yaml"), deep.as_bytes(), 422, "invalid"),
    ] {
        let (found, headers, body) = server.raw(&head, body);
        assert_eq!(found, status, "{head}: {body}");
        assert!(headers.contains("content-type: application/json"), "{head}: {headers}");
        assert_eq!(error(&body).0, code, "{head}: {body}");
        if status == 405 {
            assert!(headers.contains("\r\nallow: "), "{head}: {headers}");
        }
    }
    let (_, body) = server.ask("/api/v1/nothing/at/all", &[]);
    assert_eq!(error(&body).1, "there is no /api/v1/nothing/at/all in this API");
    assert_eq!(server.get("/status")["errors_total"], 0, "it is still up");
}

#[test]
fn parameters_that_do_not_exist_are_refused_with_those_that_do() {
    let server = server();
    for (path, message, hint) in [
        ("/streams/s/rows?limits=5", "\"limits\"", "limit, from"),
        ("/streams?limit=5", "\"limit\"", "no parameters"),
        ("/traces?agent=a", "\"agent\"", "service, operation, tag"),
        ("/overview?since=5", "\"since\"", "history_since"),
        ("/overview?history_since=yesterday", "\"yesterday\"", ""),
        ("/streams/s/rows?limit=2&limit=3", "limit is given twice", ""),
        ("/streams/s/rows?limit=some", "\"some\"", ""),
        ("/streams/s/rows?limit=0", "1 to 10000", ""),
        ("/streams/s/rows?limit=10001", "1 to 10000", ""),
        ("/streams/s/rows?limit=-1", "1 to 10000", ""),
        ("/streams/s/rows?from=somewhere", "\"somewhere\"", ""),
        ("/tables/t/rows?from=latest", "\"from\"", "limit"),
        ("/traces?limit=1001", "1 to 1000", ""),
        ("/traces?status=fine", "\"fine\"", ""),
        ("/traces?since=ever", "ever", ""),
        ("/traces?service=%FF", "UTF-8", "percent-encode"),
        ("/traces/00?limit=100001", "1 to 100000", ""),
    ] {
        let (status, body) = server.ask(&format!("/api/v1{path}"), &[]);
        assert_eq!(status, 400, "{path}: {body}");
        let (code, found, found_hint) = error(&body);
        assert_eq!(code, "bad_request", "{path}");
        assert!(found.contains(message) && found_hint.contains(hint), "{path}: {body}");
    }
    assert_eq!(server.get("/traces?service=&limit=&tag=a=1&tag=b=%C3%BC")["traces"], serde_json::json!([]));
    for (name, most) in [("max_rows", 1_000_000_u64), ("timeout_ms", 600_000)] {
        let (status, answer) = server.post_json("/sql", &format!(r#"{{"query": "SELECT 1", "{name}": {}}}"#, most + 1));
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(&most.to_string()), "{answer}");
    }
}

#[test]
fn a_server_on_loopback_answers_to_names_of_loopback_only() {
    let server = server();
    let port = server.port();
    let get = |path: &str, host: &str| server.raw(&format!("GET {path} HTTP/1.1\nhost: {host}"), b"");
    for path in ["/", "/api/v1/status", "/api/v1/none", "/metrics", "/health", "/ready", "/src/main.js"] {
        for host in
            ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", ""]
        {
            let (status, _, body) = get(path, host);
            assert_eq!((status, error(&body).0.as_str()), (403, "refused"), "{path} {host}");
        }
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8000", "[::ffff:127.0.0.1]"] {
        assert_eq!(get("/api/v1/status", host).0, 200, "{host}");
    }
    let two = format!("GET /api/v1/status HTTP/1.1\nhost: localhost:{port}\nhost: evil.example");
    assert_ne!(server.raw(&two, b"").0, 200);
    let absolute = "GET http://evil.example/api/v1/status HTTP/1.1\nhost: localhost";
    assert_eq!(server.raw(absolute, b"").0, 403);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let server = server();
    let ask = |line: &str, origin: &str| server.raw(&format!("{line} HTTP/1.1\nhost: localhost:8000\n{origin}"), b"").0;
    for line in ["POST /api/v1/agents", "DELETE /api/v1/agents/a", "POST /api/v1/agents/a/stop", "POST /api/v1/sql"] {
        for origin in ["http://evil.example", "http://localhost:8001", "null", "localhost:8000", "\u{ff}"] {
            assert_eq!(ask(line, &format!("origin: {origin}")), 403, "{line} {origin}");
        }
        assert_ne!(ask(line, "origin: http://localhost:8000"), 403, "{line}");
        assert_ne!(ask(line, "accept: */*"), 403, "{line}");
    }
    assert_eq!(ask("GET /api/v1/status", "origin: http://evil.example"), 200);
}

#[test]
fn a_server_for_the_network_answers_to_any_name() {
    let any = Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let options = UpOptions { bind: any, insecure: true, no_ui: true, ..UpOptions::default() };
    let server = Running::try_start_with(project(&[]), options).expect("a server");
    let get = |host: &str| server.raw(&format!("GET /api/v1/status HTTP/1.1\nhost: {host}"), b"").0;
    for host in ["sabot.example", "10.0.0.1:8000", "localhost"] {
        assert_eq!(get(host), 200, "{host}");
    }
    let foreign = "POST /api/v1/sql HTTP/1.1\nhost: sabot.example\norigin: http://evil.example";
    assert_eq!(server.raw(foreign, b"").0, 403);
    // Without pages, too, what is not there is told in the one shape.
    let (status, body) = server.ask("/somewhere", &[]);
    assert_eq!((status, error(&body).0.as_str()), (404, "not_found"));
}

#[test]
fn an_answer_has_no_two_columns_of_one_name() {
    let server = server();
    for (query, names) in [
        ("SELECT l.a, r.a FROM s l JOIN s r ON l.a = r.a", r#""a""#),
        ("SELECT l.a, r.a FROM s l JOIN s r ON l.a = r.a WHERE l.a < 0", r#""a""#),
        ("SELECT * FROM s l JOIN s r ON l.a = r.a", r#""_partition", "_offset", "a""#),
        ("SELECT [named_struct('b', 1, 'b', 2)] AS a FROM s", r#""b""#),
    ] {
        let (status, answer) = server.post_json("/sql", &serde_json::json!({ "query": query }).to_string());
        let message = format!("more than one column of the answer is named {names}; name each with AS");
        assert_eq!(
            (status, error(&answer.to_string())),
            (422, ("invalid".to_owned(), message, String::new())),
            "{query}"
        );
    }
    let (status, answer) = server.post_json("/sql", r#"{"query": "SELECT 1 AS a, 2 AS a"}"#);
    assert_eq!(status, 422, "the planner refuses it: {answer}");
    let named = server
        .sql("SELECT l.a, r.a AS b, [named_struct('a', 1)] AS c FROM s l JOIN s r ON l.a = r.a ORDER BY a LIMIT 1");
    assert_eq!(named, [serde_json::json!({ "a": 1, "b": 1, "c": [{ "a": 1 }] })]);
}

#[test]
fn sql_of_any_depth_leaves_the_server_up() {
    let server = server();
    let many = |part: &str| part.repeat(100_000);
    for expression in [
        format!("{}a{}", many("("), many(")")),
        format!("{} a = 1", many("NOT ")),
        format!("{} a", many("- ")),
        format!("a = 1 {}", many("OR a = 2 ")),
        format!("a {}", many("+ a ")),
        format!("a {}", many("IS NULL ")),
        many("("),
        many("[[{("),
        many("CASE WHEN "),
    ] {
        let start: String = expression.chars().take(20).collect();
        let sql = format!("SELECT a FROM s WHERE {expression}");
        let body = serde_json::json!({ "query": sql }).to_string();
        let (status, answer) = server.post_json("/sql", &body);
        assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("invalid")), "{start}: {answer}");
        let agent = format!("name: a\nkind: stream\nsql: \"{sql}\"\noutput: blackhole\n");
        for path in ["/agents/validate", "/agents"] {
            let (status, answer) = server.post(path, &agent);
            assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("invalid")), "{start}: {answer}");
        }
    }
    // A condition of a search stands in an address, which is shorter.
    for condition in ["(".repeat(8_000), "1=1+OR+".repeat(2_000) + "true", "1=1+/*+/*+*/+(+*/+)+OR+(1=1".to_owned()] {
        let (status, body) = server.ask(&format!("/api/v1/traces?where={condition}"), &[]);
        assert_eq!((status, error(&body).0.as_str()), (422, "invalid"), "{body}");
    }
    let ordinary = format!("SELECT a FROM s WHERE {}", vec!["a = 1"; 300].join(" OR "));
    assert_eq!(server.sql(&ordinary).len(), 1);
}

#[test]
fn sql_that_would_make_too_much_leaves_the_server_up() {
    let server = server();
    server.until_finished();
    for (made, name) in [
        ("repeat('x', 2000000000)", "repeat"),
        ("lpad('x', 2000000000 + a)", "lpad"),
        ("array_repeat(1, 10000000000)", "array_repeat"),
        ("list_resize([a], 10000000000)", "array_resize"),
        ("range(0, 1000000000000 * a)", "range"),
        ("generate_series(1, 1000000000000)", "generate_series"),
        ("replace(repeat('x', 60000), 'x', repeat('y', 60000))", "replace"),
    ] {
        let body = serde_json::json!({ "query": format!("SELECT {made} AS made FROM s") }).to_string();
        let (status, answer) = server.post_json("/sql", &body);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("failed")), "{made}: {answer}");
        assert!(message.starts_with(&format!("{name} would make ")), "{made}: {answer}");
    }
    let constant = r#"{"query": "SELECT a, range(0, 8000000) AS x FROM s"}"#;
    let (status, answer) = server.post_json("/sql", constant);
    assert!(status == 422 && answer.to_string().contains("for every row"), "{answer}");
    assert_eq!(server.sql("SELECT a FROM s").len(), 3);
}
