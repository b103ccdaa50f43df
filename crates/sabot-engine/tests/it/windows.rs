//! Windows against a plain model of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sabot_store::FaultyDisk;
use serde_json::Value;

use crate::harness::{count, rows, sensors};

/// Windows, late rows and corrected windows computed row by row from the stream itself.
#[derive(Debug, Default, PartialEq)]
struct Model {
    on_time: BTreeMap<(i64, String), (i64, i64)>,
    corrected: BTreeMap<(i64, String), (i64, i64)>,
    /// How often each group comes out: once with the rows on time, and once more with those that were let in.
    results: BTreeMap<(i64, String), usize>,
    late: usize,
}

fn parsed(partition: &str) -> Vec<Value> {
    partition.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn micros(row: &Value, column: &str) -> i64 {
    use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
    string_to_timestamp_nanos(row[column].as_str().expect("text")).expect("an instant") / 1_000
}

fn model(partitions: &[String], bound: i64, allowed: i64) -> Model {
    let mut model = Model::default();
    let mut let_in = BTreeSet::new();
    for partition in partitions {
        let mut newest = i64::MIN;
        for row in parsed(partition) {
            let at = micros(&row, "at");
            newest = newest.max(at);
            let behind = newest - bound - at;
            let key = (at.div_euclid(60_000_000) * 60_000_000, row["sensor"].as_str().expect("text").to_owned());
            let value = row["value"].as_i64().expect("a number");
            let add = |windows: &mut BTreeMap<_, (i64, i64)>| {
                let entry = windows.entry(key.clone()).or_insert((0, 0));
                *entry = (entry.0 + 1, entry.1 + value);
            };
            if behind <= 0 {
                add(&mut model.on_time);
                add(&mut model.corrected);
            } else if behind <= allowed {
                add(&mut model.corrected);
                let_in.insert(key);
            } else {
                model.late += 1;
            }
        }
    }
    for key in model.on_time.keys().chain(&let_in) {
        *model.results.entry(key.clone()).or_default() += 1;
    }
    model
}

#[test]
fn results_and_late_rows_equal_the_model() {
    let harness = sensors(5_000, 3, 1, "0s");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    let model = model(&rows(&store, "events"), 60_000_000, 0);
    let mut windows = BTreeMap::new();
    for row in rows(&store, "minutes").iter().flat_map(|partition| parsed(partition)) {
        let key = (micros(&row, "window_start"), row["sensor"].as_str().expect("text").to_owned());
        let result = (row["n"].as_i64().expect("n"), row["total"].as_i64().expect("total"));
        assert!(windows.insert(key, result).is_none(), "a window fires once: {row}");
    }
    assert_eq!(windows, model.on_time);
    assert!(model.late > 100, "the data has late rows");
    assert_eq!(count(&store, "events.late"), model.late as u64);
}

#[test]
fn allowed_late_rows_correct_their_window_once() {
    let harness = sensors(5_000, 3, 1, "40s");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    let model = model(&rows(&store, "events"), 60_000_000, 40_000_000);
    let mut newest = BTreeMap::new();
    let mut fired: BTreeMap<_, usize> = BTreeMap::new();
    for row in rows(&store, "minutes").iter().flat_map(|partition| parsed(partition)) {
        let key = (micros(&row, "window_start"), row["sensor"].as_str().expect("text").to_owned());
        newest.insert(key.clone(), (row["n"].as_i64().expect("n"), row["total"].as_i64().expect("total")));
        *fired.entry(key).or_default() += 1;
    }
    assert_eq!(newest, model.corrected, "the last result of each window counts the rows that were let in");
    assert_eq!(fired, model.results, "only groups with such rows come out again");
    assert!(fired.values().any(|times| *times == 2), "some window was corrected");
    assert_eq!(count(&store, "events.late"), model.late as u64);
}

#[test]
fn late_rows_that_a_filter_drops_are_not_late_rows_of_the_agent() {
    let harness = sensors(5_000, 1, 1, "0s");
    let agent = harness.dir.path().join("agents/minutes.yaml");
    let text = std::fs::read_to_string(&agent).expect("the agent");
    std::fs::write(&agent, text.replace("GROUP BY", "WHERE sensor = 's0' GROUP BY")).expect("the agent");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    let late = rows(&store, "events.late").iter().flat_map(|p| parsed(p)).collect::<Vec<_>>();
    assert!(!late.is_empty());
    assert!(late.iter().all(|row| row["sensor"] == "s0" && row.get("value").is_some()), "whole rows of s0 only");
}
