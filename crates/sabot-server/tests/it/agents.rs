//! Agents come, roll to new versions, stop, start and go while rows flow.

use serde_json::json;

use crate::support::{Running, readings};

const SLOW: &str = "\
performance: { commit_interval: 10ms }
streams:
  - name: readings
    partitions: 2
    event_time: at
    source: { file: readings.csv, speed: 4s, order_by: at }
";

fn agent(name: &str, sql: &str) -> String {
    format!("name: {name}\nkind: stream\nsql: {sql}\noutput: {{ stream: {name}-out }}\n")
}

#[test]
fn an_agent_is_deployed_rolled_stopped_started_and_deleted_without_losing_a_row() {
    let readings = readings(40_000);
    let server = Running::on(&[("sabot.yaml", SLOW), ("readings.csv", &readings)]);
    let (status, deployed) = server.post("/agents", &agent("copy", "SELECT at, key, value FROM readings"));
    assert_eq!((status, &deployed["version"], &deployed["created"]), (200, &json!(1), &json!(true)));
    let written = || server.get("/agents/copy")["events_total"].as_u64().filter(|rows| *rows > 0);
    server.until("processing", written);

    let (status, rolled) = server.post("/agents", &agent("copy", "SELECT at, key, value + 0 AS value FROM readings"));
    assert_eq!((status, &rolled["version"], &rolled["changed"]), (200, &json!(2), &json!(true)));
    let (_, again) = server.post("/agents", &agent("copy", "SELECT at, key, value + 0 AS value FROM readings"));
    assert_eq!((&again["version"], &again["changed"]), (&json!(2), &json!(false)), "the same again changes nothing");
    server.until("processing again", written);

    assert_eq!(server.post("/agents/copy/stop", "").1["status"], "stopped");
    let rows = server.sql("SELECT count(*) AS n FROM \"copy-out\"");
    let stopped_at = rows[0]["n"].as_u64().unwrap();
    assert!((1..40_000).contains(&stopped_at), "{stopped_at} rows when it stopped");

    // A stopped agent stays stopped over a restart, and its rows wait.
    let server = Running::start(server.stop());
    assert_eq!(server.agent_status("copy"), "stopped");
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"copy-out\"")[0]["n"], stopped_at);
    assert_eq!(server.post("/agents/copy/start", "").0, 200);
    server.until_finished();
    let counts = "SELECT count(*) AS n, count(DISTINCT value) AS different, sum(value) AS total FROM \"copy-out\"";
    let total = 40_000_u64 * 39_999 / 2;
    assert_eq!(server.sql(counts), [json!({ "n": 40_000, "different": 40_000, "total": total })]);

    assert_eq!(server.delete("/agents/copy"), 200);
    assert_eq!(server.get("/agents"), json!([]));
    assert_eq!(server.sql(counts)[0]["n"], 40_000, "its output stays");
    assert_eq!(server.delete("/agents/copy"), 404);
}

#[test]
fn what_cannot_be_deployed_is_refused_and_changes_nothing() {
    let server = Running::on(&[
        ("sabot.yaml", SLOW),
        ("readings.csv", &readings(10)),
        ("agents/copy.yaml", &agent("copy", "SELECT at, key, value FROM readings")),
    ]);
    let before = server.get("/agents/copy")["config"].clone();
    let refused = [
        ("name: [", 422, "agent.yaml:1"),
        (&agent("copy", "SELECT at, kye FROM readings"), 422, "kye"),
        (&agent("other", "SELECT at FROM raedings"), 422, "did you mean \"readings\""),
        ("name: thief\nkind: stream\nsql: SELECT at FROM readings\noutput: { stream: copy-out }\n", 409, "copy-out"),
        ("name: thief\nkind: stream\nsql: SELECT at FROM readings\noutput: { stream: readings }\n", 409, "readings"),
    ];
    for (yaml, expected, says) in refused {
        let (status, body) = server.post("/agents", yaml);
        assert_eq!(status, expected, "{yaml}: {body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(says), "{yaml}: {body}");
    }
    assert_eq!(server.get("/agents").as_array().unwrap().len(), 1);
    assert_eq!(server.get("/agents/copy")["config"], before);
    server.until_finished();
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"copy-out\"")[0]["n"], 10);
}
