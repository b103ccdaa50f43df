//! `sabot sql`.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::canned;
use crate::support::{Server, run, sabot};

#[test]
fn rows_on_stdout_and_their_number_on_stderr() {
    let server = Server::with("POST /sql", canned::sql());
    server.check("sql", &["sql", "SELECT 1"]);
    server.check("sql_json", &["sql", "SELECT 1", "--format", "json"]);
    server.check("sql_yaml", &["sql", "SELECT 1", "--format", "yaml"]);
}

#[test]
fn limits_travel_with_the_query() {
    let server = Server::with("POST /sql", canned::sql());
    server.run(&["sql", "SELECT 1", "--max-rows", "10", "--timeout", "1m"]);
    server.run(&["sql", "SELECT 2"]);
    let bodies: Vec<Value> = server.requests().iter().map(|r| serde_json::from_str(&r.body).expect("json")).collect();
    let limited = json!({"query": "SELECT 1", "timeout_ms": 60_000, "max_rows": 10});
    assert_eq!(bodies, [limited, json!({"query": "SELECT 2", "timeout_ms": 30_000})]);
}

#[test]
fn a_dash_reads_the_query_from_stdin() {
    let server = Server::with("POST /sql", canned::sql());
    let mut child = sabot()
        .args(["sql", "-", "--server", &server.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("stdin").write_all(b"SELECT 3\n").expect("a reader");
    assert!(child.wait().expect("an end").success());
    assert!(server.requests()[0].body.contains("SELECT 3"));
    assert_eq!(run(&["sql", "-"]).code, 2, "an empty query is wrong usage");
}

#[test]
fn empty_and_truncated_results_say_so() {
    let mut answer = canned::sql();
    answer["truncated"] = json!(true);
    let more = "(2 rows, 12 ms)\nwarning: there are more than 2 rows; raise --max-rows to see them\n";
    server_says(answer.clone(), &["--max-rows", "2"], more);
    let larger = "(2 rows, 12 ms)\nwarning: there are more than the 2 rows that fit into one answer; ask for fewer columns, or for a part at a time\n";
    server_says(answer, &[], larger);
    server_says(
        json!({"columns": [{"name": "a", "type": "Int64"}], "rows": [], "truncated": false, "elapsed_ms": 1}),
        &[],
        "(0 rows, 1 ms)\n",
    );
}

#[test]
fn numbers_keep_their_digits_in_every_format() {
    let rows = r#"{"columns":[{"name":"x","type":"Float64"},{"name":"d","type":"Decimal128(38, 9)"}],"rows":[{"x":11.384615384615385,"d":1234567890.123456789}],"truncated":false,"elapsed_ms":1}"#;
    let server = Server::with("POST /sql", rows);
    for format in ["table", "json", "yaml"] {
        let shown = server.run(&["sql", "SELECT 1", "--format", format]).stdout;
        assert!(shown.contains("11.384615384615385") && shown.contains("1234567890.123456789"), "{format}: {shown}");
    }
}

fn server_says(answer: Value, flags: &[&str], expected: &str) {
    let server = Server::with("POST /sql", answer);
    let run = server.run(&[&["sql", "SELECT 1"], flags].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, expected));
}
