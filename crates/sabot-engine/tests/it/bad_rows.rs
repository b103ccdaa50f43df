//! Rows that do not fit: dead letters, skipping, failing.

use std::sync::Arc;

use sabot_store::FaultyDisk;

use crate::harness::{Harness, count, rows};

const CSV: &str =
    "at,n\n2020-01-01T00:00:00Z,1\n2020-01-01T00:00:01Z,x\n2020-01-01T00:00:02Z\nsoon,4\n,5\n2020-01-01T00:00:05Z,6\n";

fn harness(on_error: &str) -> Harness {
    // The type of `n` is given: what is inferred from so few rows would make `x` a text like any other.
    let yaml = format!(
        "streams:\n  - {{ name: s, event_time: at, schema: {{ n: int64 }}, on_error: {on_error}, source: {{ file: s.csv }} }}\n"
    );
    Harness::new(&[("s.csv", CSV), ("sabot.yaml", &yaml)])
}

#[test]
fn dead_letters_say_where_and_why() {
    let harness = harness("dead_letter");
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    let dir = harness.dir.path().display().to_string();
    expect_test::expect![[r#"
        {"source":"DIR/s.csv","line":3,"error":"n: \"x\" is not an int64","raw":"2020-01-01T00:00:01Z,x"}
        {"source":"DIR/s.csv","line":4,"error":"1 fields where the header has 2","raw":"2020-01-01T00:00:02Z"}
        {"source":"DIR/s.csv","line":5,"error":"event_time at: \"soon\" is not an RFC 3339 instant","raw":"{\"at\":\"soon\",\"n\":4}"}
        {"source":"DIR/s.csv","line":6,"error":"event_time at is null","raw":"{\"n\":5}"}
    "#]]
    .assert_eq(&rows(&store, "s.dead").concat().replace(&dir, "DIR"));
    assert!(harness.registry.prometheus_text().contains("reason=\"malformed\"} 4"), "they are counted");
}

#[test]
fn skipped_rows_are_counted_and_leave_no_stream() {
    let harness = harness("skip");
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert_eq!(count(&store, "s"), 2);
    assert!(store.stream("s.dead").is_none());
    assert!(harness.registry.prometheus_text().contains("reason=\"malformed\"} 4"));
}

#[test]
fn failing_names_the_first_bad_row() {
    let harness = harness("fail");
    let error = harness.run(Arc::new(FaultyDisk::new()), 1).expect_err("a failure");
    let dir = harness.dir.path().display().to_string();
    expect_test::expect![[r#"failed: stream "s": DIR/s.csv:3: n: "x" is not an int64; mend the row, or set on_error to skip or dead_letter"#]]
        .assert_eq(&error.replace(&dir, "DIR"));
}

#[test]
fn a_clean_file_makes_no_dead_letter_stream() {
    let harness =
        Harness::new(&[("s.csv", "n\n1\n"), ("sabot.yaml", "streams:\n  - { name: s, source: { file: s.csv } }\n")]);
    let store = harness.run(Arc::new(FaultyDisk::new()), 1).expect("a run");
    assert!(store.stream("s.dead").is_none());
}
