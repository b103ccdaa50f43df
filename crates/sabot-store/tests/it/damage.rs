//! Bytes that were durable and are not what was written: told by file and offset, never passed over.

use arrow::array::RecordBatch;
use sabot_store::{FaultyDisk, Section, StoreError};

use super::support::{
    assert_corrupt, at_second, bytes_of, commit, commit_each_id, dir, files_in, ids, open, overwrite, read, read_from,
    segments, with_stream,
};

/// Three frames in one segment; where they start, and its bytes in use.
fn three_frames() -> (FaultyDisk, Vec<u64>) {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    let mut starts = Vec::new();
    for first in [0, 10, 20] {
        let size = writer.append(&ids(first..first + 10), &at_second(1)).unwrap();
        starts.push(writer.end().bytes - size);
    }
    starts.push(writer.end().bytes);
    commit(&store, 1, &mut writer).unwrap();
    (disk, starts)
}

#[test]
fn every_byte_of_a_committed_frame_counts() {
    let (good, starts) = three_frames();
    let segment = segments(&good).remove(0);
    for offset in starts[1]..starts[2] {
        let disk = good.after_crash(0);
        disk.corrupt(&segment, offset);
        let store = open(&disk).unwrap();
        let mut reader = store.reader("s", 0, 0).unwrap();
        assert_eq!(reader.next(100).unwrap().unwrap().batch, ids(0..10), "byte {offset}");
        assert_corrupt(reader.next(100), &segment, starts[1]);
        assert_corrupt(reader.next(100), &segment, starts[1]);
    }
}

#[test]
fn a_frame_that_is_only_skipped_cannot_hide_rows() {
    let (good, starts) = three_frames();
    let segment = segments(&good).remove(0);
    // Length, rows and offset are what skipping goes by.
    for offset in (0..4).chain(8..12).chain(16..24) {
        let disk = good.after_crash(0);
        disk.corrupt(&segment, starts[1] + offset);
        let store = open(&disk).unwrap();
        let found = read_from(&store, "s", 0, 25);
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "byte {offset}: {found:?}");
    }
}

#[test]
fn the_header_of_a_segment() {
    let (good, _) = three_frames();
    let segment = segments(&good).remove(0);
    for (offset, at) in [(0, 0), (16, 16), (24, 32), (40, 32)] {
        let disk = good.after_crash(0);
        disk.corrupt(&segment, offset);
        assert_corrupt(read_from(&open(&disk).unwrap(), "s", 0, 0), &segment, at);
    }
}

#[test]
fn a_segment_that_is_too_short_is_found_at_open() {
    let (disk, starts) = three_frames();
    let segment = segments(&disk).remove(0);
    let file = disk.open_for_test(&segment);
    file.set_len(starts[2]).unwrap();
    file.sync_data().unwrap();
    assert_corrupt(open(&disk.after_crash(0)), &segment, starts[2]);
}

#[test]
fn a_segment_that_is_missing() {
    let good = FaultyDisk::new();
    let (store, mut writer) = with_stream(&good);
    commit_each_id(&store, &mut writer, 1..=40);
    drop((store, writer));
    let all = segments(&good);
    assert!(all.len() > 3, "{all:?}");
    let remove = |index: usize| {
        let disk = good.after_crash(0);
        disk.remove_for_test(&all[index]);
        disk
    };
    assert_corrupt(open(&remove(all.len() - 1)), &all[all.len() - 1], 0);
    let disk = remove(1);
    let store = open(&disk).unwrap();
    let len = bytes_of(&disk, &all[0]).len() as u64;
    assert_corrupt(read_from(&store, "s", 0, 0), &all[0], len);
    let lost: u64 = all[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_corrupt(read_from(&store, "s", 0, lost), &all[0], len);
    let next: u64 = all[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(read_from(&store, "s", 0, next).unwrap().first(), Some(&(i64::try_from(next).unwrap() + 1)));
}

/// A journal of a few records; its file, and where the records start and the last one ends.
fn journal() -> (FaultyDisk, std::path::PathBuf, Vec<usize>) {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    for n in 0..4 {
        store.put_record("test", &format!("key-{n}"), &n).unwrap();
    }
    let path = files_in(&disk, "journal").remove(0);
    let bytes = bytes_of(&disk, &path);
    let mut starts = vec![16];
    while let len @ 1.. = u32::from_le_bytes(bytes[starts[starts.len() - 1]..][..4].try_into().unwrap()) {
        starts.push(starts[starts.len() - 1] + 8 + len as usize);
    }
    assert_eq!(starts.len(), 5);
    drop(store);
    (disk, path, starts)
}

#[test]
fn every_byte_of_the_journal_before_the_last_record_counts() {
    let (good, path, starts) = journal();
    for pair in starts[..4].windows(2) {
        for offset in pair[0]..pair[1] {
            let disk = good.after_crash(0);
            disk.corrupt(&path, offset as u64);
            assert_corrupt(open(&disk), &path, pair[0] as u64);
        }
    }
}

#[test]
fn lengths_that_hide_what_follows() {
    let (good, path, starts) = journal();
    let rest = u32::try_from(starts[4] - starts[1] - 8).unwrap();
    for len in [0, 1, rest, rest + 1, u32::MAX, 1 << 20] {
        let disk = good.after_crash(0);
        overwrite(&disk, &path, starts[1] as u64, &len.to_le_bytes());
        assert_corrupt(open(&disk), &path, starts[1] as u64);
    }
}

#[test]
fn a_torn_tail_is_dropped_and_written_over() {
    let (good, path, starts) = journal();
    let whole = bytes_of(&good, &path);
    for cut in starts[3]..starts[4] {
        let disk = good.after_crash(0);
        // Of the last record a beginning is there, and then zeros.
        overwrite(&disk, &path, cut as u64, &vec![0; whole.len() - cut]);
        let store = open(&disk).unwrap();
        let keys: Vec<String> = store.records::<u64>("test").unwrap().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["key-0", "key-1", "key-2"], "cut at {cut}");
        store.put_record("test", "x", &9).unwrap();
        drop(store);
        assert_eq!(open(&disk).unwrap().get_record("test", "x").unwrap(), Some(9), "cut at {cut}");
    }
}

#[test]
fn garbage_behind_the_tail_is_no_record() {
    let (good, path, starts) = journal();
    let disk = good.after_crash(0);
    overwrite(&disk, &path, starts[4] as u64, &[0xAB; 300]);
    let store = open(&disk).unwrap();
    assert_eq!(store.records::<u64>("test").unwrap().len(), 4);
    store.put_record("test", "x", &9).unwrap();
    drop(store);
    assert_eq!(open(&disk).unwrap().records::<u64>("test").unwrap().len(), 5);
}

#[test]
fn a_missing_journal() {
    let (disk, path, _) = journal();
    disk.remove_for_test(&path);
    assert_corrupt(open(&disk.after_crash(0)), &dir().join("journal/0000000001.log"), 0);
}

#[test]
fn every_byte_of_a_snapshot_counts() {
    let good = FaultyDisk::new();
    let store = open(&good).unwrap();
    let section = |name: &str, batch: RecordBatch| Section { name: name.to_owned(), full: true, batch };
    let sections = [section("0.a", ids([1])), section("1.b", ids([]))];
    let (id, file, parent) = store.write_snapshot("a", 1, 1, &sections).unwrap();
    file.sync_data().unwrap();
    assert_eq!(store.read_snapshot("a", &id).unwrap(), sections);
    let path = parent.join(format!("{id}.snap"));
    for offset in 0..file.len().unwrap() {
        good.corrupt(&path, offset);
        match store.read_snapshot("a", &id) {
            Err(StoreError::UnknownFormat { file, .. }) => assert!((8..12).contains(&offset) && file == path),
            Err(StoreError::Corrupt { file, .. }) => assert_eq!(file, path),
            other => panic!("byte {offset}: {other:?}"),
        }
        good.corrupt(&path, offset);
    }
    assert_eq!(store.read_snapshot("a", &id).unwrap(), sections);
}

#[test]
fn what_is_behind_the_end_is_no_damage() {
    let (disk, starts) = three_frames();
    overwrite(&disk, &segments(&disk).remove(0), starts[3], &[0xAB; 500]);
    let store = open(&disk).unwrap();
    assert_eq!(read(&store, "s"), (0..30).collect::<Vec<_>>());
    let mut writer = store.writer("s", 0, "a").unwrap();
    writer.append(&ids([30]), &at_second(2)).unwrap();
    commit(&store, 2, &mut writer).unwrap();
    assert_eq!(read(&store, "s"), (0..31).collect::<Vec<_>>());
}

trait ForTest {
    fn open_for_test(&self, path: &std::path::Path) -> std::sync::Arc<dyn sabot_store::DiskFile>;
    fn remove_for_test(&self, path: &std::path::Path);
}

impl ForTest for FaultyDisk {
    fn open_for_test(&self, path: &std::path::Path) -> std::sync::Arc<dyn sabot_store::DiskFile> {
        sabot_store::Disk::open(self, path, sabot_store::OpenMode::ReadWrite).unwrap()
    }

    fn remove_for_test(&self, path: &std::path::Path) {
        sabot_store::Disk::remove_file(self, path).unwrap();
        sabot_store::Disk::sync_dir(self, path.parent().unwrap()).unwrap();
    }
}
