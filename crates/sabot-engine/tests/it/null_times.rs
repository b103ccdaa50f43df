//! Rows without an event time, which a stream made by an agent may have.

use std::fmt::Write as _;
use std::sync::Arc;

use sabot_store::FaultyDisk;

use crate::harness::{Harness, count, rows};

/// Events whose time an agent takes away when their value is odd, or always, summed up by another.
fn harness(keep: &str, filter: &str) -> Harness {
    let mut csv = "at,v\n".to_owned();
    for second in 0..3_000 {
        writeln!(csv, "2020-01-01T00:{:02}:{:02}Z,{second}", second / 60, second % 60).expect("text");
    }
    let times = format!(
        "name: times\nkind: stream\noutput: {{ stream: times }}\n\
         sql: SELECT CASE WHEN {keep} THEN at END AS at, v FROM s\n"
    );
    let sums = format!(
        "name: sums\nkind: stream\nwatermark: 1h\nlate: {{ allowed: 1d, to: sums.late }}\noutput: {{ stream: sums }}\n\
         sql: SELECT window_start, count(*) AS n FROM TUMBLE(times, at, INTERVAL '10 minutes') {filter} GROUP BY window_start\n"
    );
    Harness::new(&[
        ("s.csv", &csv),
        ("sabot.yaml", "streams:\n  - { name: s, event_time: at, source: { file: s.csv } }\n"),
        ("agents/times.yaml", &times),
        ("agents/sums.yaml", &sums),
    ])
}

#[test]
fn they_are_late_rows_and_counted() {
    let harness = harness("v % 2 = 0", "");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    assert_eq!(count(&store, "times"), 3_000);
    assert_eq!(count(&store, "sums.late"), 1_500);
    let windows = rows(&store, "sums").concat();
    assert_eq!(windows.lines().count(), 5);
    assert!(windows.lines().all(|window| window.contains("\"n\":300")), "{windows}");
    assert!(harness.registry.prometheus_text().contains("sabot_late_events_total{agent=\"sums\"} 1500"));
}

#[test]
fn so_they_are_when_no_row_has_one() {
    let harness = harness("v < 0", "");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    assert_eq!(count(&store, "sums.late"), 3_000);
    assert_eq!(count(&store, "sums"), 0);
}

#[test]
fn a_filter_decides_on_them_as_on_any_late_row() {
    let harness = harness("v % 2 = 0", "WHERE v < 1000");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    assert_eq!(count(&store, "sums.late"), 500);
    let windowed = self::harness("v % 2 = 0", "WHERE window_start >= TIMESTAMP '2020-01-01T00:00:00Z'");
    let store = windowed.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    assert_eq!(count(&store, "sums.late"), 0, "they have no window that could be compared");
    assert_eq!(rows(&store, "sums").concat().lines().count(), 5);
}
