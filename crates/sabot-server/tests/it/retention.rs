//! Rows go when they have outlived their stream's retention, and not before agents have read them.

use crate::support::{Running, readings, segments};

const SETTINGS: &str = "\
performance: { segment_bytes: 64KiB, commit_interval: 10ms }
";
const AGENT: &str = "\
name: copy
kind: stream
sql: SELECT at, key, value FROM readings
output: { stream: copies }
";

fn streams(of_readings: &str, of_copies: &str) -> String {
    format!(
        "{SETTINGS}streams:\n  \
           - {{ name: readings, event_time: at, source: {{ file: readings.csv }}, retention: {of_readings} }}\n  \
           - {{ name: copies, retention: {of_copies} }}\n"
    )
}

#[test]
fn what_every_agent_has_read_goes_by_age_and_unread_rows_stay() {
    let files = |settings: &str| {
        [
            ("sabot.yaml", settings.to_owned()),
            ("readings.csv", readings(50_000)),
            ("agents/copy.yaml", AGENT.to_owned()),
        ]
    };
    let settings = streams("{ age: 1ms }", "{ max_bytes: 700KiB }");
    let files = files(&settings);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let server = Running::on(&files);
    server.until_finished();
    let earliest = |stream: &str| server.get(&format!("/streams/{stream}"))["earliest"].as_u64().unwrap();
    server.until("read rows are gone", || (earliest("readings") > 0).then_some(()));
    server.until("one segment is left", || (segments(server.dir.path(), "readings") == 1).then_some(()));
    server.until("the copies are small", || {
        let copies = server.get("/streams/copies");
        (copies["bytes"].as_u64().unwrap() <= 700 << 10).then_some(())
    });
    assert_eq!(server.get("/streams/copies")["latest"], 50_000, "the agent had read what went");
    assert_eq!(server.get("/streams/readings")["latest"], 50_000);
}

#[test]
fn a_stopped_agents_rows_wait_for_it_unless_a_size_is_set() {
    let settings =
        streams("{ age: 1ms }", "{ age: 1d }").replace("readings.csv }", "readings.csv, speed: 3s, order_by: at }");
    let readings = readings(50_000);
    let files = [("sabot.yaml", settings.as_str()), ("readings.csv", &readings), ("agents/copy.yaml", AGENT)];
    let server = Running::on(&files);
    server.until("processing", || server.get("/agents/copy")["events_total"].as_u64().filter(|rows| *rows > 0));
    server.post("/agents/copy/stop", "");
    server.until("the file is read", || (server.get("/streams/readings")["latest"] == 50_000).then_some(()));
    let read = server.get("/streams/copies")["latest"].as_u64().unwrap();
    assert!(read < 50_000);
    // Two rounds of housekeeping.
    let before = segments(server.dir.path(), "readings");
    crate::support::pause(std::time::Duration::from_secs(11));
    assert!(server.get("/streams/readings")["earliest"].as_u64().unwrap() <= read);
    assert!(segments(server.dir.path(), "readings") <= before);
    server.post("/agents/copy/start", "");
    server.until_finished();
    let counts = "SELECT count(*) AS n, count(DISTINCT value) AS different FROM copies";
    assert_eq!(server.sql(counts), [serde_json::json!({ "n": 50_000, "different": 50_000 })]);
}

#[test]
fn rows_that_a_size_limit_removes_before_they_are_read_are_counted() {
    let settings = streams("{ max_bytes: 200KiB }", "{ age: 1d }");
    let readings = readings(50_000);
    let dir = crate::support::project(&[("sabot.yaml", &settings), ("readings.csv", &readings)]);
    let server = Running::start(dir);
    let stopped = AGENT.replace("readings\n", "readings WHERE value >= 0\n");
    // Deployed and stopped before it has read all, it holds a floor that the size limit ignores.
    server.post("/agents", &stopped);
    server.post("/agents/copy/stop", "");
    server.until("the size is kept", || {
        let readings = server.get("/streams/readings");
        (readings["latest"] == 50_000 && readings["bytes"].as_u64().unwrap() <= 200 << 10).then_some(())
    });
    let read = server.get("/streams/copies")["latest"].as_u64().unwrap();
    let earliest = server.get("/streams/readings")["earliest"].as_u64().unwrap();
    let dropped = "sabot_events_dropped_total{stream=\"readings\",agent=\"\",reason=\"retired\"}";
    #[expect(clippy::cast_precision_loss, reason = "fifty thousand rows")]
    let unread = earliest.saturating_sub(read) as f64;
    assert!(unread > 0.0, "the agent had read {read} rows, {earliest} went");
    let counted = || server.metrics().get(dropped).copied().unwrap_or_default();
    server.until("every unread row that went is counted", || ((counted() - unread).abs() < 0.5).then_some(()));
}
