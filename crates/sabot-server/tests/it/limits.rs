//! Answers that leave something out say so.

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
