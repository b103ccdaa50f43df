//! How requests are made.

use serde_json::json;

use crate::canned;
use crate::support::{Server, sabot};

#[test]
fn the_token_is_sent_as_bearer() {
    let server = Server::with("GET /streams", canned::streams());
    server.run(&["streams", "list", "--token", "s3cret"]);
    server.run(&["streams", "list"]);
    let output = sabot().env("SABOT_TOKEN", "env").args(["streams", "list", "--server", &server.url()]).output();
    assert!(output.expect("the binary runs").status.success());
    let sent: Vec<_> = server.requests().iter().map(|r| r.headers.get("authorization").cloned()).collect();
    assert_eq!(sent, [Some("Bearer s3cret".to_owned()), None, Some("Bearer env".to_owned())]);
}

#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let server = Server::with("GET /streams", canned::streams());
    let mut command = sabot();
    command.envs([("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")]);
    let output = command.args(["streams", "list", "--server", &server.url()]).output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn names_and_keys_are_encoded() {
    let server = Server::with("GET /tables/a%2Fb/rows/x%20y%2C%C3%A9", canned::plane());
    let run = server.run(&["tables", "get", "a/b", "x y,é"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(server.run(&["tables", "get", "t", "-5"]).code, 4, "a negative number is a key, not a flag");
}

#[test]
fn positions_and_limits_travel() {
    let server = Server::with("GET /streams/s/rows", json!({"stream": "s", "rows": []}));
    server.run(&["streams", "tail", "s"]);
    server.run(&["streams", "tail", "s", "--from", "1000", "--limit", "3"]);
    let lines: Vec<String> = server.requests().into_iter().map(|r| r.line).collect();
    assert_eq!(
        lines,
        ["GET /api/v1/streams/s/rows?limit=20&from=latest", "GET /api/v1/streams/s/rows?limit=3&from=1000"]
    );
}

#[test]
fn verbose_names_every_request() {
    let server = Server::with("GET /streams", canned::streams());
    let run = server.run(&["-v", "streams", "list"]);
    assert!(run.stderr.starts_with("GET http://SERVER/api/v1/streams 200 "), "{}", run.stderr);
}
