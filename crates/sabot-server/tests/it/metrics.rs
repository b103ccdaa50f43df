//! Every metric of the registry moves, and every span of it is recorded, in one scripted run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;

use sabot_common::registry::{ALL_METRICS, BACKPRESSURE, Metric, SPANS_REFUSED, SPANS_STORED, spans};

use crate::support::{Running, readings};

const PROJECT: &str = "\
performance: { commit_interval: 20ms }
telemetry: { tracing: { batch: { scheduled_delay: 20ms, max_export_batch_size: 16 } } }
exporters:
  policy: fanout
  targets:
    - { name: copy, type: file, path: telemetry.jsonl, signals: [traces] }
    - { name: nowhere, type: file, path: missing/telemetry.jsonl, signals: [traces] }
  queue: { max_memory: 64KiB, max_disk: 0B }
streams:
  - name: readings
    partitions: 4
    event_time: at
    source: { file: readings.csv }
    schema: { value: int64 }
tables:
  - { name: keys, backend: embedded, key: key, source: { file: keys.csv } }
  - { name: titles, backend: memory, key: key, source: { file: keys.csv } }
";
/// Late rows are dropped: the file goes back in time at its end.
const WINDOWS: &str = "\
name: windows
kind: stream
sql: |
  SELECT window_start, key, value, count(*) AS n FROM TUMBLE(readings, at, INTERVAL '1 minute')
  GROUP BY window_start, window_end, key, value
watermark: 1m
count: 2
output: { stream: counts }
metrics:
  - { name: readings_of_key_total, type: counter, value: \"sum(CASE WHEN value >= 0 THEN 1 ELSE 0 END)\", labels: [key] }
  - { name: newest_value, type: gauge, value: max(value) }
";
const NAMED: &str = "\
name: named
kind: stream
sql: |
  SELECT r.at, r.value, k.name, t.name AS title
  FROM readings r LEFT JOIN keys k ON r.key = k.key LEFT JOIN titles t ON r.key = t.key
output: { table: named, key: at, backend: memory }
";
/// Rows that have a match, and no others.
const MATCHED: &str = "\
name: matched
kind: stream
sql: SELECT r.at, k.name FROM readings r JOIN keys k ON r.key = k.key
output: blackhole
";
/// Fails at the first row.
const FAILING: &str = "\
name: failing
kind: stream
sql: SELECT at, value / (value - value) AS nothing FROM readings
output: blackhole
";

/// Whether a series belongs to a metric; those of a histogram have a suffix.
fn is_of(series: &str, metric: &Metric) -> bool {
    let name = series.split('{').next().unwrap_or_default();
    name == metric.name || name.strip_prefix(metric.name).is_some_and(|rest| ["_count", "_sum"].contains(&rest))
}

#[test]
fn every_metric_moves_and_every_span_is_recorded_in_one_run() {
    let mut csv = readings(300_000);
    csv.push_str("2026-01-01T23:00:00Z,k1,not a number\n");
    let mut keys = "key,name\n".to_owned();
    for key in 0..97 {
        writeln!(keys, "k{key},name {key}").unwrap();
    }
    // Out of order by far more than the watermark allows: the last event comes first.
    let (header, rows) = csv.split_once('\n').unwrap();
    let csv = format!("{header}\n2026-01-20T00:00:00Z,k0,7\n{rows}");
    let server = Running::on(&[
        ("sabot.yaml", PROJECT),
        ("readings.csv", &csv),
        ("keys.csv", &keys),
        ("agents/windows.yaml", WINDOWS),
        ("agents/named.yaml", NAMED),
        ("agents/matched.yaml", MATCHED),
        ("agents/failing.yaml", FAILING),
    ]);
    let moved: RefCell<BTreeSet<String>> = RefCell::default();
    let look = || {
        let series = server.metrics().into_iter().filter(|(_, value)| *value != 0.0).map(|(name, _)| name);
        moved.borrow_mut().extend(series);
    };
    server.until("every agent is over", || {
        look();
        let over = |agent: &serde_json::Value| ["finished", "failed"].contains(&agent["status"].as_str().unwrap());
        let agents = server.get("/agents");
        agents.as_array().unwrap().iter().all(over).then_some(())
    });
    // Gauges are set once a second, and spans stored every few.
    server.until("spans are stored", || {
        look();
        moved.borrow().contains(SPANS_STORED.name).then_some(())
    });
    let moved = moved.into_inner();
    // Two count what may or may not happen in a run: spans are refused when their queue overflows, which the tests of
    // `sabot-observatory` make it do, and a stage waits when its channel is full, which those of `sabot-runtime` do.
    let expected = ALL_METRICS.iter().filter(|metric| ![SPANS_REFUSED, BACKPRESSURE].contains(metric));
    let still: Vec<&str> =
        expected.filter(|metric| !moved.iter().any(|series| is_of(series, metric))).map(|metric| metric.name).collect();
    assert!(still.is_empty(), "these did not move: {still:?}\n{moved:#?}");
    for series in [
        "sabot_state_operations_total{operation=\"get\",backend=\"embedded\"}",
        "sabot_state_operations_total{operation=\"put\",backend=\"embedded\"}",
        "sabot_events_dropped_total{stream=\"readings\",agent=\"source:readings\",reason=\"malformed\"}",
        "sabot_events_dropped_total{stream=\"readings\",agent=\"windows\",reason=\"late\"}",
        "sabot_agents_active{kind=\"stream\",status=\"failed\"}",
    ] {
        assert!(moved.contains(series), "{series} is not in\n{moved:#?}");
    }
    assert_eq!(server.post("/agents/matched/stop", "").0, 200);
    // Those of agents and operators have their name behind them.
    let is_of = |recorded: &str, name: &str| {
        recorded.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    server.until("every span is recorded", || {
        let rows = server.sql("SELECT DISTINCT name FROM sabot.spans");
        let recorded: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
        let missing: Vec<_> =
            spans::ALL.iter().filter(|name| !recorded.iter().any(|recorded| is_of(recorded, name))).collect();
        missing.is_empty().then_some(())
    });
}

#[test]
fn business_metrics_count_what_their_sql_says() {
    let server = Running::on(&[
        ("sabot.yaml", "streams:\n  - { name: readings, event_time: at, source: { file: readings.csv } }\n"),
        ("readings.csv", &readings(970)),
        ("agents/windows.yaml", &WINDOWS.replace("count: 2\n", "")),
    ]);
    server.until_finished();
    let metrics = server.metrics();
    for key in ["k0", "k50", "k96"] {
        assert_eq!(metrics.get(&format!("readings_of_key_total{{key=\"{key}\"}}")), Some(&10.0), "{key}: {metrics:#?}");
    }
    assert_eq!(metrics.get("newest_value"), Some(&969.0));
}

/// Deletes agents and starts them anew, and looks at what is told of all of them.
#[test]
fn totals_never_go_back_and_series_go_with_their_agent() {
    let settings = "streams:\n  - { name: readings, event_time: at, source: { file: readings.csv } }\n";
    let server = Running::on(&[
        ("sabot.yaml", settings),
        ("readings.csv", &readings(970)),
        ("agents/windows.yaml", &WINDOWS.replace("count: 2\n", "")),
        ("agents/failing.yaml", FAILING),
    ]);
    let totals = || {
        let status = server.get("/status");
        ["events_total", "late_total", "errors_total"].map(|name| status[name].as_u64().unwrap())
    };
    let settled = |name: &str, state: &str| {
        server.until("it is over", || (server.agent_status(name) == state).then_some(()));
    };
    settled("windows", "finished");
    settled("failing", "failed");
    let before = totals();
    assert!(before[0] >= 970 && before[2] == 1, "{before:?}");
    assert_eq!(server.get("/status")["source_events_total"], 970, "what came in counts once, however many read it");
    assert_eq!(server.post("/agents/failing/start", "").0, 200);
    server.until("it has failed again", || (totals()[2] == 2).then_some(()));
    assert_eq!(server.post("/agents/failing/stop", "").0, 200);
    let before = totals();
    assert_eq!(before[2], 2);
    let of_agent = |agent: &str| -> Vec<String> {
        let label = format!("agent=\"{agent}\"");
        server.metrics().into_keys().filter(|series| series.contains(&label)).collect()
    };
    let business = || server.metrics().into_keys().filter(|series| series.starts_with("readings_of_key")).count();
    server.until("its gauges are set", || {
        let series = of_agent("windows");
        series.iter().any(|name| name.starts_with("sabot_consumer_lag")).then_some(())
    });
    assert!(business() == 97 && of_agent("failing").len() > 1);
    for agent in ["windows", "failing"] {
        assert_eq!(server.delete(&format!("/agents/{agent}")), 200);
        assert_eq!(of_agent(agent), Vec::<String>::new());
    }
    assert_eq!(business(), 0);
    assert_eq!(totals(), before, "what they did stays done");
    // A few rounds of gauges later they are still gone.
    crate::support::pause(std::time::Duration::from_millis(2_500));
    assert_eq!([of_agent("windows"), of_agent("failing")].concat(), Vec::<String>::new());
    assert_eq!(server.get("/overview")["status"]["errors_total"], 2);
    let again = WINDOWS
        .replace("count: 2\n", "")
        .replace("readings_of_key_total, type: counter", "readings_of_key_total, type: gauge");
    assert_eq!(server.post("/agents", &again).0, 200);
    settled("windows", "finished");
    assert!(business() == 97 && totals()[0] >= before[0] + 970);
}

#[test]
fn parts_have_their_health_and_their_share_of_the_disk() {
    let settings = "streams:\n  - { name: readings, event_time: at, source: { file: readings.csv } }\n";
    let server =
        Running::on(&[("sabot.yaml", settings), ("readings.csv", &readings(970)), ("agents/failing.yaml", FAILING)]);
    let gauge = |series: &str| server.metrics().get(series).copied();
    let health = |part: &str| gauge(&format!("sabot_component_health{{component=\"{part}\"}}"));
    server.until("agents are not healthy", || (health("agents") == Some(0.0)).then_some(()));
    assert_eq!(["store", "sources", "telemetry"].map(health), [Some(1.0); 3]);
    server.until("the disk is looked at", || {
        let used = |part: &str| gauge(&format!("sabot_disk_usage_bytes{{kind=\"{part}\"}}"));
        (used("streams")? > 0.0 && used("journal")? > 0.0 && used("telemetry").is_some()).then_some(())
    });
}
