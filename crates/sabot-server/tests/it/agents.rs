//! Agents come, roll to new versions, stop, start and go while rows flow.

use sabot_server::UpOptions;
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

const FAST: &str = "\
streams:
  - { name: readings, event_time: at, source: { file: readings.csv } }
";

fn agent(name: &str, sql: &str) -> String {
    format!("name: {name}\nkind: stream\nsql: {sql}\noutput: {{ stream: {name}-out }}\n")
}

/// A table takes rows in after they are committed; an agent that joins it waits for that too.
#[test]
fn a_join_sees_the_whole_table() {
    let keys = (0..20_000).map(|key| format!("{key},name-{key}\n")).collect::<Vec<_>>().concat();
    let rows = (0..1_000).map(|row| format!("{}\n", row % 10)).collect::<Vec<_>>().concat();
    for _ in 0..3 {
        let server = Running::on(&[
            (
                "sabot.yaml",
                "streams:\n  - { name: s, source: { file: s.csv } }\n\
                 tables:\n  - { name: t, key: k, backend: memory, source: { file: t.csv } }\n",
            ),
            ("s.csv", &format!("k\n{rows}")),
            ("t.csv", &format!("k,n\n{keys}")),
            ("agents/a.yaml", &agent("a", "SELECT s.k, t.n FROM s JOIN t ON s.k = t.k")),
            ("agents/last.yaml", "name: last\nkind: stream\nsql: SELECT k FROM s\noutput: { table: last, key: k }\n"),
            ("agents/b.yaml", &agent("b", "SELECT s.k FROM s JOIN last l ON s.k = l.k")),
        ]);
        server.until_finished();
        assert_eq!(
            server.sql("SELECT count(*) AS n, count(DISTINCT n) AS names FROM \"a-out\"")[0],
            json!({ "n": 1_000, "names": 10 })
        );
        assert_eq!(server.sql("SELECT count(*) AS n FROM \"b-out\"")[0]["n"], 1_000);
    }
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
        // Another shape of the output than rows were written in.
        (&agent("copy", "SELECT at FROM readings"), 409, "copy-out"),
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

#[test]
fn a_deleted_agent_starts_over_when_it_is_deployed_again() {
    let server = Running::on(&[("sabot.yaml", FAST), ("readings.csv", &readings(5_000))]);
    let hourly = |function: &str| {
        let sql = format!(
            "SELECT window_start, {function}(value) AS value FROM TUMBLE(readings, at, INTERVAL '1 hour') GROUP BY window_start"
        );
        agent(function, &sql)
    };
    let rows = |name: &str| server.sql(&format!("SELECT count(*) AS n FROM \"{name}-out\""))[0]["n"].clone();
    for warnings in [json!([]), json!(["count-out has 2 rows from before; new ones are added"])] {
        let deployed = server.post("/agents", &hourly("count")).1;
        assert_eq!((&deployed["version"], &deployed["warnings"]), (&json!(1), &warnings));
        server.until_finished();
        assert_eq!(server.delete("/agents/count"), 200);
    }
    // Two windows, twice: what the first had written stays.
    assert_eq!(rows("count"), 4);
    // Other windows under the same name are no concern: nothing of the old ones is left.
    let other = hourly("count").replace("1 hour", "30 minutes");
    assert_eq!(server.post("/agents", &other).0, 200);
    server.until_finished();
    assert_eq!(rows("count"), 4 + 3);
}

#[test]
fn an_agent_deployed_by_hand_that_does_not_plan_any_more_is_listed_and_can_be_deleted() {
    let with_keys = format!("{FAST}tables:\n  - {{ name: keys, key: key, source: {{ file: keys.csv }} }}\n");
    let files =
        [("sabot.yaml", with_keys.as_str()), ("readings.csv", &readings(10)), ("keys.csv", "key,name\nk1,one\n")];
    let server = Running::on(&files);
    let sql = "SELECT r.at, k.name FROM readings r JOIN keys k ON r.key = k.key";
    assert_eq!(server.post("/agents", &agent("named", sql)).0, 200);
    server.until_finished();
    let dir = server.stop();
    std::fs::write(dir.path().join("sabot.yaml"), FAST).unwrap();
    let server = Running::start(dir);
    let named = server.get("/agents/named");
    assert_eq!(named["status"], "failed", "{named}");
    assert!(named["error"].as_str().unwrap().contains("keys"), "{named}");
    assert_eq!(server.delete("/agents/named"), 200);
    assert_eq!(server.get("/agents"), json!([]));
}

#[test]
fn a_project_file_edited_between_runs_cannot_take_over_windows_it_does_not_fit() {
    let windows = |function: &str| {
        agent(
            "windows",
            &format!(
                "SELECT window_start, {function}(value) AS v FROM TUMBLE(readings, at, INTERVAL '1 day') GROUP BY window_start"
            ),
        )
    };
    let readings = readings(40_000);
    let before = windows("max");
    let server = Running::on(&[("sabot.yaml", SLOW), ("readings.csv", &readings), ("agents/windows.yaml", &before)]);
    server.until("processing", || server.get("/agents/windows")["events_total"].as_u64().filter(|rows| *rows > 0));
    let dir = server.stop();
    let file = dir.path().join("agents/windows.yaml");
    std::fs::write(&file, windows("min")).unwrap();
    let refused = Running::try_start(dir).unwrap_err();
    assert!(refused.contains("cannot take over open windows"), "{refused}");
}

#[test]
fn an_agent_reads_dead_letters_before_there_are_any() {
    let server = Running::on(&[
        ("sabot.yaml", FAST),
        ("readings.csv", "at,value\n2026-01-01T00:00:00Z,1\n,2\n"),
        ("agents/dead.yaml", &agent("dead", "SELECT line, error FROM readings.dead")),
    ]);
    server.until("the bad row came through", || (server.get("/streams/dead-out")["events_total"] == 1).then_some(()));
    let sql = "SELECT line, error FROM \"dead-out\"";
    assert_eq!(server.sql(sql), [json!({"line": 3, "error": "event_time at is null"})]);
}

#[test]
fn the_graph_leads_from_a_source_to_its_bad_rows() {
    let edges = |csv: &str| {
        let server = Running::on(&[("sabot.yaml", FAST), ("readings.csv", csv)]);
        server.until_finished();
        let overview = server.get("/overview");
        let edges = overview["graph"]["edges"].as_array().unwrap().clone();
        let edge = |edge: &serde_json::Value| json!([edge["from"], edge["to"], edge["events_total"]]);
        edges.iter().map(edge).collect::<Vec<_>>()
    };
    let read = json!(["source:readings", "stream:readings", 1]);
    assert_eq!(
        edges("at,value\n2026-01-01T00:00:00Z,1\n"),
        std::slice::from_ref(&read),
        "no bad row, no stream of them"
    );
    let bad = json!(["source:readings", "stream:readings.dead", 2]);
    assert_eq!(edges("at,value\n2026-01-01T00:00:00Z,1\n,2\n,3\n"), [read, bad]);
}

#[test]
fn a_fresh_start_removes_nothing_while_an_agent_does_not_plan() {
    let server = Running::on(&[("sabot.yaml", FAST), ("readings.csv", &readings(100))]);
    server.until_finished();
    let dir = server.stop();
    let path = dir.path().to_owned();
    std::fs::create_dir_all(path.join("agents")).unwrap();
    std::fs::write(path.join("agents/bad.yaml"), agent("bad", "SELECT nothing FROM readings")).unwrap();
    let options = UpOptions { fresh: true, ..UpOptions::default() };
    let (dir, refused) = Running::refused(dir, options.clone());
    assert!(refused.contains("nothing"), "{refused}");
    std::fs::write(path.join("agents/bad.yaml"), agent("bad", "SELECT at, value FROM readings")).unwrap();
    let server = Running::start(dir);
    let stream = server.get("/streams/readings");
    assert_eq!(stream["events_total"], 100, "what was read before is there: {stream}");
    let dir = server.stop();
    let server = Running::try_start_with(dir, options).unwrap();
    server.until_finished();
    assert_eq!(server.get("/streams/readings")["events_total"], 100, "a fresh start reads it once");
}

#[test]
fn an_agent_whose_file_is_gone_goes_on_where_it_was_when_the_file_is_back() {
    let copy = agent("copy", "SELECT at, value FROM readings");
    let newest =
        "name: newest\nkind: stream\nsql: SELECT key, value FROM readings\noutput: { table: newest, key: key }\n";
    let files = [
        ("sabot.yaml", FAST),
        ("readings.csv", &readings(500)),
        ("agents/copy.yaml", &copy),
        ("agents/newest.yaml", newest),
    ];
    let server = Running::on(&files);
    server.until_finished();
    assert_eq!(server.warnings, [] as [&str; 0]);
    let dir = server.stop();
    std::fs::remove_dir_all(dir.path().join("agents")).unwrap();

    let server = Running::start(dir);
    let gone = |name: &str| {
        format!(
            "agent \"{name}\" is not in the project any more; what it made and its progress stay (`sabot agents delete {name} --confirm` forgets them)"
        )
    };
    assert_eq!(server.warnings, [gone("copy"), gone("newest")]);
    assert_eq!(server.get("/agents"), json!([]));
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"copy-out\"")[0]["n"], 500);
    assert_eq!(server.sql("SELECT count(*) AS n FROM newest")[0]["n"], 97, "its table is there");
    let (status, refused) = server.post("/agents/copy/start", "");
    assert_eq!(status, 409, "{refused}");
    let dir = server.stop();

    std::fs::create_dir(dir.path().join("agents")).unwrap();
    std::fs::write(dir.path().join("agents/copy.yaml"), &copy).unwrap();
    let server = Running::start(dir);
    assert_eq!(server.warnings, [gone("newest")]);
    server.until_finished();
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"copy-out\"")[0]["n"], 500, "nothing is read twice");
    assert_eq!(server.delete("/agents/newest"), 200, "what is not listed can be forgotten");
    let server = Running::start(server.stop());
    assert_eq!(server.warnings, [] as [&str; 0]);
}

#[test]
fn an_agent_under_a_new_name_tells_what_it_adds_to() {
    let server = Running::on(&[
        ("sabot.yaml", FAST),
        ("readings.csv", &readings(5)),
        ("agents/a.yaml", &agent("copy", "SELECT at, value FROM readings")),
    ]);
    server.until_finished();
    let dir = server.stop();
    let renamed = agent("copy", "SELECT at, value FROM readings").replace("name: copy", "name: again");
    std::fs::write(dir.path().join("agents/a.yaml"), renamed).unwrap();
    let server = Running::start(dir);
    assert_eq!(server.warnings.last().unwrap(), "agent \"again\": copy-out has 5 rows from before; new ones are added");
    server.until_finished();
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"copy-out\"")[0]["n"], 10);
}

#[test]
fn an_agent_that_left_the_project_can_be_deployed_by_hand() {
    let copy = agent("copy", "SELECT at, value FROM readings");
    let server =
        Running::on(&[("sabot.yaml", FAST), ("readings.csv", &readings(5)), ("agents/copy.yaml", copy.as_str())]);
    server.until_finished();
    let dir = server.stop();
    std::fs::remove_file(dir.path().join("agents/copy.yaml")).unwrap();
    let server = Running::start(dir);
    assert_eq!(server.post("/agents", &copy).0, 200);
    let server = Running::start(server.stop());
    assert_eq!(server.warnings, [] as [&str; 0], "it is no longer the project's");
    assert_eq!(server.agent_status("copy"), "finished");
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"copy-out\"")[0]["n"], 5);
}

#[test]
fn a_failed_agent_that_is_stopped_still_tells_why_and_what_it_has_not_read() {
    let fails = agent("fails", "SELECT at, value / (value - value) AS x FROM readings");
    let server = Running::on(&[("sabot.yaml", FAST), ("readings.csv", &readings(500)), ("agents/fails.yaml", &fails)]);
    let is_idle = || {
        (server.agent_status("fails") == "failed" && server.get("/streams/readings")["finished"] == true).then_some(())
    };
    server.until("it failed", is_idle);
    let failed = server.get("/agents/fails");
    assert_eq!(failed["lag_events"], 500, "{failed}");
    let status = server.get("/status");
    assert_eq!(
        (&status["status"], &status["lag_events"], &status["errors_total"]),
        (&json!("degraded"), &json!(500), &json!(1))
    );
    assert!(failed["error"].as_str().unwrap().contains("zero"), "{failed}");

    assert_eq!(server.post("/agents/fails/stop", "").1["status"], "stopped");
    let stopped = server.get("/agents/fails");
    assert_eq!(stopped["status"], "stopped");
    assert_eq!((&stopped["error"], &stopped["lag_events"]), (&failed["error"], &json!(500)));
    let status = server.get("/status");
    assert_eq!((&status["status"], &status["errors_total"]), (&json!("running"), &json!(1)), "it is not counted twice");

    let server = Running::start(server.stop());
    let stopped = server.get("/agents/fails");
    assert_eq!((&stopped["status"], &stopped["lag_events"]), (&json!("stopped"), &json!(500)));
}

#[test]
fn an_agent_that_waits_says_for_what() {
    let tables = "tables:\n  - { name: keys, key: key, source: { file: keys.csv, speed: 10m } }\n";
    let named = agent("named", "SELECT r.at, k.name FROM readings r JOIN keys k ON r.key = k.key");
    let server = Running::on(&[
        ("sabot.yaml", &format!("{FAST}{tables}")),
        ("readings.csv", &readings(10)),
        ("keys.csv", "key,name\nk1,one\nk2,two\n"),
        ("agents/named.yaml", &named),
    ]);
    let reason = || server.get("/agents/named")["waits_for"].as_str().map(str::to_owned);
    assert_eq!(server.until("it waits", reason), "table \"keys\" to be loaded");
    assert_eq!(server.agent_status("named"), "waiting");
}

#[test]
fn an_agent_whose_table_has_lost_its_writer_says_so_and_can_be_started_again() {
    let newest =
        "name: newest\nkind: stream\nsql: SELECT key, value FROM readings\noutput: { table: newest, key: key }\n";
    let joined = agent("joined", "SELECT r.at, n.value FROM readings r JOIN newest n ON r.key = n.key");
    let server = Running::on(&[
        ("sabot.yaml", &SLOW.replace("4s", "2s").replace("partitions: 2", "partitions: 1")),
        ("readings.csv", &readings(500)),
        ("agents/newest.yaml", newest),
        ("agents/joined.yaml", &joined),
    ]);
    assert_eq!(server.post("/agents/newest/stop", "").1["status"], "stopped");
    let reason = || {
        server.get("/agents/joined")["waits_for"].as_str().filter(|what| what.contains("stopped")).map(str::to_owned)
    };
    let said = server.until("it waits", reason);
    assert_eq!(said, "table \"newest\", whose writer is stopped; start that, and then this agent again");
    assert_eq!(server.post("/agents/newest/start", "").0, 200);
    assert_eq!(server.post("/agents/joined/start", "").0, 200);
    server.until_finished();
    assert_eq!(server.sql("SELECT count(*) AS n FROM \"joined-out\"")[0]["n"], 500);
    assert_eq!(server.get("/agents/joined")["waits_for"], json!(null));
}

#[test]
fn a_stream_has_one_writer_whoever_comes_first() {
    let server = Running::on(&[("sabot.yaml", FAST), ("readings.csv", &readings(100))]);
    server.until_finished();
    let by_hand = |name: &str, stream: &str| {
        format!("name: {name}\nkind: stream\nsql: SELECT at, value FROM readings\noutput: {{ stream: {stream} }}\n")
    };
    let (status, answer) = server.post("/agents", &by_hand("taker", "readings.dead"));
    assert_eq!(status, 409, "{answer}");
    assert_eq!(server.post("/agents", &by_hand("one", "copy")).0, 200);
    server.until_finished();

    let dir = server.stop();
    std::fs::create_dir_all(dir.path().join("agents")).unwrap();
    std::fs::write(dir.path().join("agents/two.yaml"), by_hand("two", "copy")).unwrap();
    let server = Running::start(dir);
    assert_eq!(server.agent_status("one"), "failed", "the project's agent goes first");
    assert!(server.get("/agents/one")["error"].as_str().unwrap().contains("\"copy\" is written by agent \"two\""));
}
