//! Several instances, other numbers of them, and other shapes of output: the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use sabot_store::FaultyDisk;
use serde_json::Value;

use crate::harness::{Harness, contents, count, events, rows};

const EVENTS: u64 = 6_000;

/// Events over four partitions and one agent.
fn with_agent(agent: &str) -> Harness {
    Harness::new(&[
        ("data/events.csv", &events(EVENTS, 120)),
        (
            "sabot.yaml",
            "streams:\n  - { name: events, partitions: 4, event_time: at, source: { file: data/events.csv } }\n",
        ),
        ("agents/agent.yaml", agent),
    ])
}

fn agent(count: u32, watermark: &str, output: &str, sql: &str) -> String {
    format!("name: agent\nkind: stream\ncount: {count}\nwatermark: {watermark}\noutput: {output}\nsql: {sql}\n")
}

fn run(harness: &Harness) -> (Arc<sabot_store::Store>, FaultyDisk) {
    let disk = FaultyDisk::new();
    (harness.run(Arc::new(disk.clone()), 2).expect("a run"), disk)
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().expect("a number")
}

#[test]
fn a_window_without_keys_has_every_row() {
    let sql = "SELECT window_start, count(*) AS n FROM TUMBLE(events, at, INTERVAL '1 minute') GROUP BY window_start";
    let windows = |count| {
        let (store, _) = run(&with_agent(&agent(count, "2h", "{ stream: out }", sql)));
        rows(&store, "out")
    };
    let one = windows(1);
    let total: u64 = one.iter().flat_map(|partition| parsed(partition)).map(|row| number(&row, "n")).sum();
    assert_eq!(total, EVENTS);
    assert_eq!(windows(2), one);
    assert_eq!(windows(4), one);
}

#[test]
fn corrected_windows_are_the_same_for_every_number_of_instances() {
    let sql = "SELECT window_start, sensor, count(*) AS n FROM TUMBLE(events, at, INTERVAL '10 minutes') \
               GROUP BY window_start, sensor";
    let windows = |count| {
        let agent = agent(count, "1m\nlate: { allowed: 2h }", "{ stream: out }", sql);
        let (store, _) = run(&with_agent(&agent));
        let sorted = |partition: &String| {
            let mut lines: Vec<_> = partition.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        rows(&store, "out").iter().map(sorted).collect::<Vec<_>>()
    };
    let one = windows(1);
    assert!(one.iter().map(Vec::len).sum::<usize>() > 7 * 11, "some come out again");
    assert_eq!(windows(2), one);
    assert_eq!(windows(4), one);
}

#[test]
fn one_file_and_one_table_have_one_writer() {
    let sql = "SELECT at, sensor, value FROM events";
    let harness = with_agent(&agent(4, "0s", "{ file: out.jsonl }", sql));
    let (store, disk) = run(&harness);
    let written = String::from_utf8(contents(&disk, &harness.dir.path().join("out.jsonl"))).expect("UTF-8");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&written), sorted(&rows(&store, "events").concat()));

    let (store, _) = run(&with_agent(&agent(4, "0s", "{ table: out, key: [at, sensor, value] }", sql)));
    assert_eq!(count(&store, "out.changelog"), EVENTS);
}

#[test]
fn fewer_partitions_out_than_in_still_have_one_writer_each() {
    let sql = "SELECT at, sensor, value FROM events";
    for (instances, partitions) in [(4, 2), (3, 2), (4, 1), (2, 3)] {
        let output = format!("{{ stream: out, partitions: {partitions} }}");
        let (store, _) = run(&with_agent(&agent(instances, "0s", &output, sql)));
        assert_eq!(count(&store, "out"), EVENTS, "{instances} instances, {partitions} partitions");
    }
}

#[test]
fn results_by_two_keys_are_corrected() {
    let sql = "SELECT window_start, sensor, value % 3 AS kind, count(*) AS n \
               FROM TUMBLE(events, at, INTERVAL '1 minute') GROUP BY window_start, sensor, value % 3";
    let late = "late: { allowed: 10m, to: events.late }\n";
    let (store, _) = run(&with_agent(&(agent(1, "10s", "{ stream: out }", sql) + late)));
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(&store, "out").iter().flat_map(|partition| parsed(partition)) {
        let key = format!("{} {} {}", row["window_start"], row["sensor"], row["kind"]);
        newest.insert(key, number(&row, "n"));
    }
    let results = count(&store, "out");
    assert!(results > newest.len() as u64, "some windows fired twice");
    assert_eq!(newest.values().sum::<u64>(), EVENTS - count(&store, "events.late"));
}

#[test]
fn windows_of_windows() {
    let harness = with_agent(&agent(
        2,
        "2h",
        "{ stream: minutes }",
        "SELECT window_start, sensor, count(*) AS n FROM TUMBLE(events, at, INTERVAL '1 minute') \
         GROUP BY window_start, sensor",
    ));
    let hours = "name: hours\nkind: stream\nwatermark: 2h\noutput: { stream: hours }\n\
                 sql: SELECT window_start, window_end, sum(n) AS n FROM TUMBLE(minutes, window_start, INTERVAL '1 hour') \
                 GROUP BY window_start, window_end\n";
    std::fs::write(harness.dir.path().join("agents/hours.yaml"), hours).expect("a file");
    let (store, _) = run(&harness);
    let hours: Vec<Value> = rows(&store, "hours").iter().flat_map(|partition| parsed(partition)).collect();
    assert_eq!(hours.iter().map(|row| number(row, "n")).sum::<u64>(), EVENTS);
    assert!(hours.len() < 10, "{hours:?}");
}

/// Killed at every step with one instance, and gone on with as two: windows behind a filter keep their rows.
#[test]
fn another_number_of_instances_takes_open_windows_over() {
    let sql = "SELECT window_start, sensor, sum(value) AS total FROM TUMBLE(events, at, INTERVAL '1 minute') \
               WHERE value > 100 GROUP BY window_start, sensor";
    let of = |count| agent(count, "10m", "{ stream: out }", sql);
    let harness = with_agent(&of(1));
    let (store, whole) = run(&harness);
    let expected = rows(&store, "out");
    let steps = whole.steps();
    for (index, step) in (steps / 4..steps).step_by(usize::try_from(steps / 40).expect("small").max(1)).enumerate() {
        let (before, after) = if index % 2 == 0 { (1, 3) } else { (4, 1) };
        let path = harness.dir.path().join("agents/agent.yaml");
        std::fs::write(&path, of(before)).expect("a file");
        let disk = FaultyDisk::new();
        disk.crash_at_step(step);
        drop(harness.run(Arc::new(disk.clone()), 2));
        std::fs::write(&path, of(after)).expect("a file");
        let store = harness.run(Arc::new(disk.after_crash(step)), 2).expect("a run after the crash");
        assert_eq!(rows(&store, "out"), expected, "{before} instances, a crash at step {step}, then {after}");
    }
}

/// Killed at every step: the file is there and whole when the agent has finished.
#[test]
fn a_parquet_file_survives_a_crash_at_every_step() {
    let sql = "SELECT at, sensor, value FROM events WHERE value > 900";
    let harness = with_agent(&agent(1, "0s", "{ file: out/loud.parquet }", sql));
    let path = harness.dir.path().join("out/loud.parquet");
    let rows_in = |disk: &FaultyDisk| {
        let bytes = bytes::Bytes::from(contents(disk, &path));
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet");
        reader.build().expect("a reader").map(|batch| batch.expect("rows").num_rows()).sum::<usize>()
    };
    let (_, whole) = run(&harness);
    let expected = rows_in(&whole);
    assert!(expected > 100);
    for step in (1..=whole.steps()).rev().take(40) {
        let disk = FaultyDisk::new();
        disk.crash_at_step(step);
        drop(harness.run(Arc::new(disk.clone()), 2));
        let survivor = disk.after_crash(step);
        harness.run(Arc::new(survivor.clone()), 2).expect("a run after the crash");
        assert_eq!(rows_in(&survivor), expected, "a crash at step {step}");
    }
}

#[test]
fn zero_is_one_group_whatever_its_sign() {
    // round() makes zeros of both signs.
    let sql = "SELECT window_start, round((value % 7 - 3) / 10.0) AS r, count(*) AS n \
               FROM TUMBLE(events, at, INTERVAL '1 hour') GROUP BY window_start, round((value % 7 - 3) / 10.0)";
    let windows = |count| {
        let (store, _) = run(&with_agent(&agent(count, "2h", "{ stream: out }", sql)));
        rows(&store, "out").iter().flat_map(|partition| parsed(partition)).map(|row| number(&row, "n")).sum::<u64>()
    };
    assert_eq!((windows(1), windows(2), windows(4)), (EVENTS, EVENTS, EVENTS));
}
