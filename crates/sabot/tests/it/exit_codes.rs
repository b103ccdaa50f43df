//! Exit codes 0 to 5 and the messages that go with them.

use serde_json::json;

use crate::support::{Server, run};

fn error(code: &str, message: &str, hint: &str) -> String {
    json!({"error": {"code": code, "message": message, "hint": hint}}).to_string()
}

#[test]
fn the_server_s_errors_become_exit_codes() {
    for (status, code) in [(400, 2), (401, 5), (403, 5), (404, 4), (409, 1), (422, 2), (500, 1), (503, 1)] {
        let server = Server::answering([("GET /streams", status, error("some_code", "why", ""))]);
        let run = server.run(&["streams", "list"]);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (code, "", "error: why\n"), "{status}");
    }
}

#[test]
fn an_error_has_a_hint() {
    let body = error("not_found", "no stream \"flihgts\"", "did you mean \"flights\"?");
    Server::answering([("GET /streams/flihgts", 404, body)]).check("not_found", &["streams", "show", "flihgts"]);
}

#[test]
fn something_else_on_the_port_is_not_mistaken_for_sabot() {
    let page = "<html>hello</html>".to_owned();
    let server = Server::answering([
        ("GET /streams", 200, page),
        ("GET /tables", 404, json!({"detail": "Not Found"}).to_string()),
    ]);
    server.check("not_sabot", &["streams", "list"]);
    assert_eq!(server.run(&["tables", "list"]).code, 1);
    let list = Server::with("GET /streams", json!({"streams": []}));
    assert_eq!(list.run(&["streams", "list"]).code, 1);
}

#[test]
fn no_server_is_exit_3_and_says_how_to_start_one() {
    run(&["status", "--server", "http://127.0.0.1:1"]).check("unreachable");
    assert_eq!(run(&["streams", "list", "--server", "http://no-such-host.invalid"]).code, 3);
}

#[test]
fn wrong_usage_is_exit_2() {
    for args in [
        vec!["status", "--server", "https://example.org"],
        vec!["status", "--server", "localhost:8000"],
        vec!["status", "--format", "xml"],
        vec!["streams", "tail", "s", "--from", "yesterday"],
        vec!["streams", "tail", "s", "--limit", "0"],
        vec!["telemetry", "traces", "--min-duration", "soon"],
        vec!["telemetry", "traces", "--tag", "novalue"],
        vec!["sql", "SELECT 1", "--timeout", "0"],
        vec!["sql", " "],
        vec!["up", "--speed", "fast"],
        vec!["status", "--quiet", "--verbose"],
        vec!["streams"],
        vec![],
    ] {
        let run = run(&args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(!run.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn typos_get_the_nearest_spelling() {
    run(&["strems", "list"]).check("typo_command");
    run(&["streams", "lits"]).check("typo_subcommand");
    run(&["status", "--detaild"]).check("typo_flag");
    run(&["telemetry", "metrics", "--component", "steam"]).check("typo_value");
}
