//! One process has a directory, one writer has a partition.

use std::sync::Arc;

use sabot_store::{FaultyDisk, RealDisk, Store, StoreError, StoreOptions, is_data_dir, remove_data_dir};

use super::support::{TINY, at_second, commit, ids, open, read, request, stream, with_stream};

#[test]
fn a_directory_is_open_once() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(StoreError::Locked { .. })));
    drop(store);
    open(&disk).unwrap();
}

#[test]
fn on_the_machines_disk_the_holder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let open = || Store::open(Arc::new(RealDisk), &data, TINY);
    let store = open().unwrap();
    let by_us = format!("(pid {})", std::process::id());
    let message = open().unwrap_err().to_string();
    assert!(message.contains(&by_us) && message.contains(&data.display().to_string()), "{message}");
    assert!(is_data_dir(&data));
    let message = remove_data_dir(&data).unwrap_err().to_string();
    assert!(message.contains(&by_us), "{message}");
    drop(store);
    std::fs::write(data.join("mine.txt"), "mine").unwrap();
    let message = remove_data_dir(&data).unwrap_err().to_string();
    assert!(message.contains("\"mine.txt\", which is not Sabot's"), "{message}");
    open().expect("nothing is lost");
    std::fs::remove_file(data.join("mine.txt")).unwrap();
    remove_data_dir(&data).unwrap();
    assert!(!is_data_dir(&data) && !data.exists());
}

#[test]
fn a_partition_has_one_writer() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    store.create_stream(stream("s", 2)).unwrap();
    let first = store.writer("s", 0, "first").unwrap();
    let other = store.writer("s", 1, "second").unwrap();
    let refused = store.writer("s", 0, "second").unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(text) if text.contains("\"first\"")), "{refused}");
    drop((first, other));
    store.writer("s", 0, "second").unwrap();
    assert!(matches!(store.writer("s", 2, "second"), Err(StoreError::NotFound(_))));
    assert!(matches!(store.writer("t", 0, "second"), Err(StoreError::NotFound(_))));
}

#[test]
fn what_a_dropped_writer_left_is_not_found_again() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    writer.append(&ids([0]), &at_second(1)).unwrap();
    commit(&store, 1, &mut writer).unwrap();
    for frame in 0..40 {
        writer.append(&ids([-frame]), &at_second(1)).unwrap();
    }
    drop(writer);
    let mut writer = store.writer("s", 0, "a").unwrap();
    assert_eq!(writer.end().offset, 1);
    for frame in 0..30 {
        // Segments roll at other rows than the dropped writer's did.
        writer.append(&ids(1 + frame * 7..8 + frame * 7), &at_second(2)).unwrap();
    }
    commit(&store, 2, &mut writer).unwrap();
    let expected: Vec<i64> = (0..211).collect();
    for from in 0..211 {
        let found = super::support::read_from(&store, "s", 0, from).unwrap();
        assert_eq!(found, expected[usize::try_from(from).unwrap()..], "from {from}");
    }
    drop((store, writer));
    assert_eq!(read(&open(&disk).unwrap(), "s"), expected);
}

#[test]
fn a_commit_that_comes_after_the_next_writer_is_refused() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    writer.append(&ids([1, 2, 3]), &at_second(1)).unwrap();
    let queued = request(1, &mut writer);
    drop(writer);
    let mut writer = store.writer("s", 0, "b").unwrap();
    writer.append(&ids([7]), &at_second(2)).unwrap();
    assert!(matches!(store.commit(&queued), Err(StoreError::Conflict(_))));
    assert_eq!(store.last_commit("a"), None);
    commit(&store, 1, &mut writer).unwrap();
    assert_eq!(read(&store, "s"), [7]);
}

#[test]
fn a_commit_that_comes_after_its_writer_counts() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    writer.append(&ids([1, 2, 3]), &at_second(1)).unwrap();
    let queued = request(1, &mut writer);
    drop(writer);
    store.commit(&queued).unwrap();
    assert_eq!(read(&store, "s"), [1, 2, 3]);
    assert_eq!(store.writer("s", 0, "b").unwrap().end().offset, 3);
}

#[test]
fn a_store_is_closed_once_its_last_user_has_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(Arc::new(RealDisk), dir.path(), StoreOptions::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for _ in 0..20 {
        let store = open().unwrap();
        let closed = store.closed();
        let other = runtime.spawn(async move { drop(store) });
        runtime.block_on(closed);
        drop(open().expect("nobody has it"));
        runtime.block_on(other).unwrap();
    }
}
