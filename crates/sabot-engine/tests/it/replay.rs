//! Going on in a file after a restart, or refusing to.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use expect_test::{Expect, expect};
use sabot_engine::ingest::SortMemory;
use sabot_store::{CommitRequest, Disk, FaultyDisk, Store};
use serde_json::{Value, json};

use crate::harness::{Harness, rows};
use crate::sources::project;

const CSV: &str = "at,n\n2020-01-01T00:00:02Z,1\n2020-01-01T00:00:01Z,x\n2020-01-01T00:00:00Z,3\n";
const MORE: &str = ", event_time: at, partitions: 2, schema: { n: int64 }";

/// Runs to the end, and then makes the last commit of the source one from the middle of the replay.
fn stopped_midway(harness: &Harness, change: impl FnOnce(&mut Value)) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new());
    drop(harness.run(Arc::clone(&disk), 1).expect("a run"));
    let store = Store::open(Arc::clone(&disk), Path::new("/data"), harness.options).expect("a store");
    let mut record = store.last_commit("source:s").expect("a commit");
    (record.epoch, record.finished, record.outputs) = (record.epoch + 1, false, Vec::new());
    change(&mut record.extra);
    store.commit(&CommitRequest { record, dirty: Vec::new(), dirty_dirs: Vec::new() }).expect("a commit");
    disk
}

fn rerun(harness: &Harness, disk: Arc<dyn Disk>) -> String {
    let outcome = harness.run(disk, 1).map(|store| rows(&store, "s").concat() + &rows(&store, "s.dead").concat());
    outcome.unwrap_or_else(|error| error).replace(&harness.dir.path().display().to_string(), "DIR")
}

/// What happens when the project is changed in the middle of a replay.
fn check(change: impl FnOnce(&Harness), expected: Expect) {
    let harness = project("s.csv", CSV, MORE, ", order_by: at");
    let disk = stopped_midway(&harness, |_| {});
    change(&harness);
    expected.assert_eq(&rerun(&harness, disk));
}

fn rewrite(harness: &Harness, file: &str, from: &str, to: &str) {
    let path = harness.dir.path().join(file);
    let text = std::fs::read_to_string(&path).expect("a file");
    assert!(text.contains(from));
    std::fs::write(&path, text.replace(from, to)).expect("a file");
}

#[test]
fn an_unchanged_file_is_gone_on_in_also_when_it_was_written_again() {
    for again in [false, true] {
        check(
            |harness| {
                if again {
                    std::fs::write(harness.dir.path().join("s.csv"), CSV).expect("a file");
                }
            },
            expect![[r#"
        {"at":"2020-01-01T00:00:00Z","n":3}
        {"at":"2020-01-01T00:00:02Z","n":1}
        {"source":"DIR/s.csv","line":3,"error":"n: \"x\" is not an int64","raw":"2020-01-01T00:00:01Z,x"}
    "#]],
        );
    }
}

#[test]
fn a_changed_file_is_refused() {
    check(
        |harness| rewrite(harness, "s.csv", ",3", ",4"),
        expect![[
            r#"stream "s": cannot go on in DIR/s.csv behind row 2: the file has other content of the same size; put it back, or start afresh with --fresh"#
        ]],
    );
    check(
        |harness| rewrite(harness, "s.csv", ",3", ",33"),
        expect![[
            r#"stream "s": cannot go on in DIR/s.csv behind row 2: the file had 74 bytes and has 75; put it back, or start afresh with --fresh"#
        ]],
    );
}

#[test]
fn a_changed_setting_is_refused() {
    check(
        |harness| rewrite(harness, "sabot.yaml", ", order_by: at", ", order_by: n"),
        expect![[
            r#"stream "s": cannot go on in DIR/s.csv behind row 2: source.order_by was at and is n; put it back, or start afresh with --fresh"#
        ]],
    );
    check(
        |harness| rewrite(harness, "sabot.yaml", ", order_by: at", ""),
        expect![[
            r#"stream "s": cannot go on in DIR/s.csv behind row 2: source.order_by was at and is not set; put it back, or start afresh with --fresh"#
        ]],
    );
    check(
        |harness| rewrite(harness, "sabot.yaml", "partitions: 2", "partitions: 2, key: n"),
        expect![[
            r#"stream "s" exists with other columns (at Timestamp(µs, "+00:00"), n Int64, wanted at Timestamp(µs, "+00:00"), n Int64); use another name, or start over with --fresh"#
        ]],
    );
}

#[test]
fn the_end_of_a_large_file_counts_too() {
    let lines = |last: &str| format!("n\n{}{last}\n", "1234567\n".repeat(40_000));
    let harness = project("s.csv", lines("1"), "", "");
    let disk = stopped_midway(&harness, |_| {});
    std::fs::write(harness.dir.path().join("s.csv"), lines("2")).expect("a file");
    expect![[r#"stream "s": cannot go on in DIR/s.csv behind row 40001: the file has other content of the same size; put it back, or start afresh with --fresh"#]].assert_eq(&rerun(&harness, disk));
}

#[test]
fn a_finished_source_does_not_look_at_its_file_again() {
    let harness = project("s.csv", CSV, MORE, "");
    let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new());
    drop(harness.run(Arc::clone(&disk), 1).expect("a run"));
    let before = rerun(&harness, Arc::clone(&disk));
    rewrite(&harness, "s.csv", ",3", ",4");
    assert_eq!(rerun(&harness, disk), before);
}

#[test]
fn a_position_that_cannot_be_read_is_an_error_and_not_the_start() {
    let harness = project("s.csv", CSV, MORE, "");
    let disk = stopped_midway(&harness, |extra| extra["source"] = json!({ "rows": "many" }));
    expect![[r#"stream "s": how far its file was read cannot be told from commit 2 (invalid type: string "many", expected u64); start afresh with --fresh"#]].assert_eq(&rerun(&harness, disk));
    let disk = stopped_midway(&harness, |extra| extra["source"] = Value::Null);
    expect![[r#"stream "s": how far its file was read cannot be told from commit 2 (it holds no position); start afresh with --fresh"#]].assert_eq(&rerun(&harness, disk));
}

#[test]
fn a_changed_key_is_refused_where_the_columns_stay_the_same() {
    check(
        |harness| rewrite(harness, "sabot.yaml", "partitions: 2", "partitions: 2, key: at"),
        expect![[
            r#"stream "s": cannot go on in DIR/s.csv behind row 2: key was not set and is at; put it back, or start afresh with --fresh"#
        ]],
    );
}

#[test]
fn sources_sort_in_the_memory_they_are_given() {
    let mut harness = Harness::new(&[("s.csv", CSV)]);
    let mut streams = String::new();
    for name in ["a", "b", "c"] {
        let source = "{ file: s.csv, order_by: at }";
        writeln!(streams, "  - {{ name: {name}, event_time: at, source: {source} }}").expect("text");
    }
    std::fs::write(harness.dir.path().join("sabot.yaml"), format!("streams:\n{streams}")).expect("a file");
    let outcome = |harness: &Harness| harness.run(Arc::new(FaultyDisk::new()), 1).map(|_| ());
    assert_eq!(outcome(&harness), Ok(()));
    harness.sort_memory = SortMemory::new(1);
    let error = outcome(&harness).expect_err("too large");
    assert!(error.contains("order_by: ") && error.contains("raise performance.max_memory_mb"), "{error}");
}
