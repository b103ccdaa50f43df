//! What is too old or too much goes, in whole blocks.

use std::time::Duration;

use sabot_common::config::TelemetryStorage;
use sabot_common::units::{Size, Span};

use crate::support::{Bench, count, root};

fn settings(retention_seconds: u64, max_bytes: u64) -> TelemetryStorage {
    TelemetryStorage { retention: Span(Duration::from_secs(retention_seconds)), max_bytes: Size(max_bytes) }
}

#[tokio::test]
async fn blocks_go_when_they_are_too_old() {
    let bench = Bench::with(settings(3_600, 1 << 30));
    for trace in 0..3 {
        bench.append_and_flush(&[root(trace, "work")]);
        bench.advance(1_000);
    }
    bench.store.maintain().expect("maintained");
    assert_eq!(count(&bench.store).await, (3, 3), "the oldest is 3,000 seconds old");
    bench.advance(700);
    bench.store.maintain().expect("maintained");
    assert_eq!(count(&bench.store).await, (2, 2), "the oldest is 3,700 seconds old");
    assert_eq!(bench.blocks().len(), 3, "its file stays for queries that began before");
    let (_dir, reopened) = bench.reopened_copy();
    reopened.maintain().expect("maintained");
    assert_eq!(count(&reopened).await, (2, 2), "also after a crash before its file was removed");
    bench.advance(sabot_observatory::FILE_GRACE.as_secs());
    bench.store.maintain().expect("maintained");
    assert_eq!(bench.blocks().len(), 2);
}

#[tokio::test]
async fn spans_with_impossible_times_age_like_others() {
    let bench = Bench::with(settings(3_600, 1 << 30));
    let mut future = root(1, "work");
    future.start_unix_nano = u64::MAX;
    future.end_unix_nano = 0;
    bench.append_and_flush(&[future]);
    assert_eq!(count(&bench.store).await, (1, 1));
    bench.advance(3_601);
    bench.store.maintain().expect("maintained");
    assert_eq!(count(&bench.store).await, (0, 0));
}

#[tokio::test]
async fn the_oldest_go_when_all_are_too_large() {
    let probe = Bench::new();
    probe.append_and_flush(&[root(1, "work")]);
    let block_bytes = probe.store.disk_bytes();

    let bench = Bench::with(settings(604_800, block_bytes * 5));
    for trace in 0..7 {
        bench.append_and_flush(&[root(trace, "work")]);
        bench.advance(5);
    }
    bench.store.maintain().expect("maintained");
    bench.advance(sabot_observatory::FILE_GRACE.as_secs());
    bench.store.maintain().expect("maintained");
    assert!(bench.store.disk_bytes() <= block_bytes * 5);
    let (left, _) = count(&bench.store).await;
    assert!((4..=5).contains(&left), "{left} blocks of about equal size are left");
    let oldest = crate::support::number(&bench.store, "SELECT CAST(min(trace_id) AS BIGINT) FROM sabot.spans").await;
    assert_eq!(oldest, 7 - left, "the newest are the ones left");
}
