//! Retention: by age and size, above what readers need, in whole segments.

use std::sync::Arc;
use std::time::Duration;

use sabot_common::clock::Timestamp;
use sabot_common::config::Retention;
use sabot_common::units::{Size, Span};
use sabot_store::{FaultyDisk, PartitionWriter, RetentionStats, Store, StreamSpec};

use super::support::{commit_each_id, open, read, read_from, segments, stream};

/// Rows 1 to 60, each written in the second of its number.
fn kept(age: Option<u64>, max_bytes: Option<u64>) -> (FaultyDisk, Arc<Store>, PartitionWriter) {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let age = age.map(|age| Span(Duration::from_secs(age)));
    let retention = Some(Retention { age, max_bytes: max_bytes.map(Size) });
    store.create_stream(StreamSpec { retention, ..stream("s", 1) }).unwrap();
    let mut writer = store.writer("s", 0, "a").unwrap();
    commit_each_id(&store, &mut writer, 1..=60);
    (disk, store, writer)
}

fn apply(store: &Store, second: i64, floor: Option<u64>) -> RetentionStats {
    store.apply_retention("s", Timestamp::from_unix_micros(second * 1_000_000), &|_| floor).unwrap()
}

/// Offset of the first row of each segment.
fn bases(disk: &FaultyDisk) -> Vec<u64> {
    segments(disk).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect()
}

#[track_caller]
fn check_rows(store: &Store, earliest: u64) {
    assert_eq!(store.stream("s").unwrap().partitions[0].earliest, earliest);
    assert_eq!(read(store, "s"), (i64::try_from(earliest).unwrap() + 1..=60).collect::<Vec<_>>());
}

#[test]
fn by_age_whole_segments_go() {
    let (disk, store, writer) = kept(Some(10), None);
    let all = bases(&disk);
    assert!(all.len() > 4, "{all:?}");
    assert_eq!(apply(&store, 10, None), RetentionStats::default());
    // The newest row of a segment is the one before the next segment; its second is the next base.
    let second = i64::try_from(all[2]).unwrap() + 10;
    assert_eq!(apply(&store, second, None), RetentionStats { segments: 1, rows: all[1], unread_rows: 0 });
    let stats = apply(&store, second + 1, None);
    assert_eq!(stats, RetentionStats { segments: 1, rows: all[2] - all[1], unread_rows: 0 });
    check_rows(&store, all[2]);
    apply(&store, 1_000, None);
    check_rows(&store, all[all.len() - 1]);
    drop((store, writer));
    check_rows(&open(&disk.after_crash(1)).unwrap(), all[all.len() - 1]);
}

#[test]
fn age_waits_for_readers() {
    let (disk, store, _writer) = kept(Some(10), None);
    let all = bases(&disk);
    assert_eq!(apply(&store, 1_000, Some(0)), RetentionStats::default());
    assert_eq!(apply(&store, 1_000, Some(all[1] - 1)), RetentionStats::default());
    assert_eq!(apply(&store, 1_000, Some(all[1])).segments, 1);
    check_rows(&store, all[1]);
    let stats = apply(&store, 1_000, Some(all[3] + 1));
    assert_eq!((stats.segments, stats.unread_rows), (2, 0));
    check_rows(&store, all[3]);
}

#[test]
fn size_wins_over_readers_and_is_counted() {
    let (disk, store, _writer) = kept(None, Some(4_000));
    let all = bases(&disk);
    let floor = all[1] + 1;
    let stats = apply(&store, 0, Some(floor));
    let left = bases(&disk);
    assert_eq!(stats, RetentionStats { segments: stats.segments, rows: left[0], unread_rows: left[0] - floor });
    assert!(stats.segments >= 2 && stats.unread_rows > 0);
    let bytes = store.stream("s").unwrap().partitions[0].bytes;
    assert!(bytes <= 4_000 && bytes > 1_500, "{bytes}");
    check_rows(&store, left[0]);
    assert_eq!(apply(&store, 0, Some(floor)), RetentionStats::default());
}

#[test]
fn size_counts_the_same_after_reopening() {
    let (disk, store, writer) = kept(None, Some(4_000));
    let again = disk.after_crash(0);
    drop(writer);
    apply(&store, 0, None);
    apply(&open(&again).unwrap(), 0, None);
    assert_eq!(bases(&disk), bases(&again));
}

#[test]
fn the_segment_being_written_stays() {
    let (disk, store, _writer) = kept(Some(1), Some(1));
    apply(&store, 1_000_000, None);
    assert_eq!(bases(&disk).len(), 1);
    assert!(!read(&store, "s").is_empty());
}

#[test]
fn streams_without_retention_keep_all() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = super::support::with_stream(&disk);
    commit_each_id(&store, &mut writer, 1..=60);
    assert_eq!(apply(&store, i64::from(i32::MAX), None), RetentionStats::default());
    check_rows(&store, 0);
}

#[test]
fn a_changed_retention_takes_the_place_of_the_old_one() {
    let (disk, store, writer) = kept(None, None);
    let retention = Retention { age: Some(Span(Duration::from_secs(10))), max_bytes: None };
    let spec = StreamSpec { retention: Some(retention), ..stream("s", 1) };
    store.create_stream(spec.clone()).unwrap();
    let journal = store.disk_usage().journal;
    store.create_stream(spec).unwrap();
    assert_eq!(store.disk_usage().journal, journal, "the same again changes nothing");
    drop((store, writer));
    let store = open(&disk.after_crash(0)).unwrap();
    assert_eq!(store.stream("s").unwrap().spec.retention, Some(retention));
    assert!(apply(&store, 1_000, None).segments > 1);
}

#[test]
fn a_reader_that_was_passed_by_goes_on_at_the_earliest_row() {
    let (disk, store, _writer) = kept(Some(10), None);
    let all = bases(&disk);
    let mut reader = store.reader("s", 0, 0).unwrap();
    reader.next(1).unwrap();
    apply(&store, 1_000, None);
    let earliest = all[all.len() - 1];
    assert_eq!(reader.next(1).unwrap().unwrap().offset, earliest);
    let last_row = i64::try_from(earliest).unwrap() + 1;
    assert_eq!(read_from(&store, "s", 0, 3).unwrap(), (last_row..=60).collect::<Vec<_>>());
}

#[test]
fn a_crash_while_segments_go_leaves_no_hole() {
    let (undisturbed, store, _writer) = kept(Some(10), None);
    let first = undisturbed.steps();
    apply(&store, 1_000, None);
    for step in first + 1..=undisturbed.steps() {
        for seed in 0..8 {
            let (disk, store, _writer) = kept(Some(10), None);
            disk.crash_at_step(step);
            let now = Timestamp::from_unix_micros(1_000_000_000);
            // Once the journal says what goes, a file that stays behind is no failure.
            drop(store.apply_retention("s", now, &|_| None));
            let left = open(&disk.after_crash(seed)).unwrap();
            check_rows(&left, left.stream("s").unwrap().partitions[0].earliest);
        }
    }
}
