//! Answers that leave something out say so.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use sabot_common::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::support::{Running, readings};

fn spans_of_one_trace(server: &Running) -> Value {
    let longest = "SELECT trace_id, count(*) AS n FROM sabot.spans GROUP BY trace_id ORDER BY n DESC LIMIT 1";
    server.until("a trace of several spans", || {
        let found = server.sql(longest).pop()?;
        (found["n"].as_u64()? > 3).then(|| found["trace_id"].clone())
    })
}

fn finished() -> Running {
    let server = Running::on(&[
        ("sabot.yaml", "streams:\n  - { name: readings, event_time: at, source: { file: readings.csv } }\n"),
        ("readings.csv", &readings(5_000)),
        (
            "agents/copy.yaml",
            "name: copy\nkind: stream\nsql: SELECT at, value FROM readings\noutput: { stream: copies }\n",
        ),
    ]);
    server.until_finished();
    server
}

#[test]
fn a_list_of_traces_says_whether_there_are_more() {
    let server = finished();
    let all = server.until("several traces", || {
        let all = server.get("/traces?limit=1000");
        (all["traces"].as_array()?.len() > 2).then_some(all)
    });
    assert_eq!(all["truncated"], false);
    let few = server.get("/traces?limit=2");
    assert_eq!((few["traces"].as_array().unwrap().len(), &few["truncated"]), (2, &Value::Bool(true)));
}

#[test]
fn a_trace_says_whether_it_has_more_spans() {
    let server = finished();
    let id = spans_of_one_trace(&server);
    let id = id.as_str().unwrap();
    let part = server.get(&format!("/traces/{id}?limit=3"));
    assert_eq!((part["spans"].as_array().unwrap().len(), &part["truncated"]), (3, &Value::Bool(true)));
    let whole = server.get(&format!("/traces/{id}"));
    assert_eq!(whole["truncated"], false);
    assert!(whole["spans"].as_array().unwrap().len() > 3);
}

#[test]
fn the_overview_gives_only_the_history_that_is_asked_for() {
    let server = finished();
    let history = |query: &str| -> Vec<String> {
        let overview = server.get(&format!("/overview{query}"));
        let samples = overview["history"].as_array().unwrap().iter();
        samples.map(|sample| sample["at"].as_str().unwrap().to_owned()).collect()
    };
    let all = server.until("three samples", || Some(history("")).filter(|all| all.len() >= 3));
    let newer = history(&format!("?history_since={}", all[0]));
    assert_eq!(newer[..2], all[1..3], "later samples may have come");
    assert!(history("?history_since=2100-01-01T00:00:00%2B01:00").is_empty());
    assert!(history("?history_since=2000-01-01T00:00:00Z").len() >= all.len());
}

/// Never ends by itself.
const ENDLESS: &str =
    "SELECT count(*) AS n FROM readings a CROSS JOIN readings b CROSS JOIN readings c CROSS JOIN readings d";

#[test]
fn a_large_answer_is_cut_off_and_says_so() {
    let server = finished();
    let sql = r#"{"query": "SELECT value, repeat('x', 20000) AS x FROM readings", "max_rows": 1000000}"#;
    let (status, answer) = server.post_json("/sql", sql);
    assert_eq!(status, 200);
    let rows = answer["rows"].as_array().unwrap().len();
    assert!(answer["truncated"] == true && rows > 1_000 && rows * 20_000 <= 32 << 20, "{rows} rows of 5,000");
    assert_eq!(answer["columns"][1]["name"], "x");
    let (_, few) = server.post_json("/sql", r#"{"query": "SELECT value FROM readings", "max_rows": 3}"#);
    assert_eq!((few["rows"].as_array().unwrap().len(), &few["truncated"]), (3, &Value::Bool(true)));
    let (_, none) = server.post_json("/sql", r#"{"query": "SELECT value FROM readings WHERE value < 0"}"#);
    assert_eq!((&none["rows"], &none["truncated"]), (&serde_json::json!([]), &Value::Bool(false)));
}

#[test]
fn long_queries_keep_nobody_else_waiting() {
    let server = finished();
    let long = serde_json::json!({ "query": ENDLESS, "timeout_ms": 20_000 }).to_string();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(|| server.post_json("/sql", &long))).collect();
        crate::support::pause(Duration::from_secs(1));
        for path in ["/status", "/overview", "/traces?limit=5", "/streams/readings/rows", "/telemetry/services"] {
            let clock = SystemClock::new();
            server.get(path);
            assert!(clock.monotonic() < Duration::from_secs(8), "{path} took {:?}", clock.monotonic());
        }
        assert_eq!(server.sql("SELECT count(*) AS n FROM readings"), [serde_json::json!({ "n": 5_000 })]);
        assert!(running.iter().all(|query| !query.is_finished()), "they still run");
        for query in running {
            let (status, answer) = query.join().unwrap();
            assert_eq!(status, 422, "{answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains("longer than 20 s"), "{answer}");
        }
    });
}

#[test]
fn a_query_ends_when_its_caller_hangs_up() {
    let server = finished();
    let body = serde_json::json!({ "query": ENDLESS, "timeout_ms": 600_000 }).to_string();
    let head = "POST /api/v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length:";
    // More than may run at a time.
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let mut caller = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            write!(caller, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
            caller
        })
        .collect();
    let brief = r#"{"query": "SELECT 1 AS n", "timeout_ms": 100}"#;
    server.until("every turn is taken", || (server.post_json("/sql", brief).0 == 503).then_some(()));
    drop(callers);
    assert_eq!(server.sql("SELECT count(*) AS n FROM readings"), [serde_json::json!({ "n": 5_000 })]);
}

#[test]
fn the_newest_rows_are_those_of_the_latest_times_over_all_partitions() {
    let mut csv = "at,key\n".to_owned();
    for number in 0..200 {
        // The keys' partitions are far apart in time.
        let (day, key) = if number % 2 == 0 { (20, "new") } else { (1, "older") };
        writeln!(csv, "2026-01-{day:02}T00:{:02}:{:02}Z,{key}", number / 60, number % 60).unwrap();
    }
    let settings = "\
streams:
  - { name: timed, partitions: 8, key: key, event_time: at, source: { file: rows.csv } }
  - { name: untimed, source: { file: rows.csv } }
";
    let server = Running::on(&[("sabot.yaml", settings), ("rows.csv", &csv)]);
    server.until("all is read", || {
        let read = |name: &str| server.get(&format!("/streams/{name}"))["latest"] == 200;
        (read("timed") && read("untimed")).then_some(())
    });
    let rows = |path: &str| {
        let answer = server.get(path);
        let rows = answer["rows"].as_array().unwrap().iter();
        let rows: Vec<_> = rows.map(|row| (row["at"].as_str().unwrap().to_owned(), row["key"].clone())).collect();
        (rows, answer["truncated"].clone())
    };
    let partitions = server.get("/streams/timed")["partition_details"].clone();
    let filled = partitions.as_array().unwrap().iter().filter(|partition| partition["latest"] != 0).count();
    assert_eq!(filled, 2, "the keys are in partitions of their own");
    let (newest, truncated) = rows("/streams/timed/rows?limit=50&from=latest");
    assert!(newest.len() == 50 && truncated == true);
    assert!(newest.iter().all(|(_, key)| key == "new"), "{newest:?}");
    assert!(newest.is_sorted_by_key(|(at, _)| at), "the newest is last: {newest:?}");
    assert!(newest[49].0.starts_with("2026-01-20T00:03:18"), "{newest:?}");
    let (all, truncated) = rows("/streams/timed/rows?limit=200");
    assert!(all.len() == 200 && all.is_sorted_by_key(|(at, _)| at) && truncated == false);
    let (first, truncated) = rows("/streams/timed/rows?limit=200&from=earliest");
    assert!(first.len() == 200 && truncated == false);
    let offsets = |path: &str| -> Vec<u64> {
        server.get(path)["rows"].as_array().unwrap().iter().map(|row| row["_offset"].as_u64().unwrap()).collect()
    };
    assert_eq!(offsets("/streams/untimed/rows?limit=3"), [197, 198, 199]);
    assert_eq!(offsets("/streams/untimed/rows?limit=2&from=10"), [10, 11]);
}
