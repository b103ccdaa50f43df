//! Versions of the format: the one we read opens, others are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sabot_common::config::Backend;
use sabot_store::{FaultyDisk, RealDisk, Section, Store, StoreError, TableSpec};

use super::support::{
    TINY, at_second, bare, commit_each_id, dir, files_in, ids, open, overwrite, read, record, request, schema,
    segments, stream, with_stream,
};

#[track_caller]
fn assert_unknown<T>(outcome: Result<T, StoreError>, path: &Path, version: &str) {
    match outcome.map(drop) {
        Err(StoreError::UnknownFormat { file, found, supported: 1 }) => {
            assert_eq!((file.as_path(), found.as_str()), (path, version));
        }
        other => panic!("not told as an unknown format: {other:?}"),
    }
}

#[test]
fn of_the_directory() {
    for (text, version) in [("sabot 2\n", "2"), ("sabot 1x\n", "1x")] {
        let disk = FaultyDisk::new();
        open(&disk).unwrap();
        overwrite(&disk, &dir().join("FORMAT"), 0, text.as_bytes());
        assert_unknown(open(&disk), &dir().join("FORMAT"), version);
    }
    for text in ["sabot\n  ", "\u{fffd}abot 1"] {
        let disk = FaultyDisk::new();
        open(&disk).unwrap();
        overwrite(&disk, &dir().join("FORMAT"), 0, text.as_bytes());
        assert!(matches!(open(&disk), Err(StoreError::ForeignDir { found, .. }) if found == "FORMAT"), "{text}");
    }
}

#[test]
fn of_the_journal() {
    let disk = FaultyDisk::new();
    open(&disk).unwrap();
    let path = files_in(&disk, "journal").remove(0);
    overwrite(&disk, &path, 8, &2_u32.to_le_bytes());
    assert_unknown(open(&disk), &path, "2");
    overwrite(&disk, &path, 0, b"NOTOURS!");
    super::support::assert_corrupt(open(&disk), &path, 0);
}

#[test]
fn of_a_segment() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    commit_each_id(&store, &mut writer, 1..=3);
    let path = segments(&disk).remove(0);
    overwrite(&disk, &path, 8, &7_u32.to_le_bytes());
    assert_unknown(super::support::read_from(&store, "s", 0, 0), &path, "7");
}

#[test]
fn of_a_snapshot() {
    let disk = FaultyDisk::new();
    let store = open(&disk).unwrap();
    let (id, _, parent) = store.write_snapshot("a", 1, 1, &[]).unwrap();
    let path = parent.join(format!("{id}.snap"));
    overwrite(&disk, &path, 8, &3_u32.to_le_bytes());
    assert_unknown(store.read_snapshot("a", &id), &path, "3");
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

/// Makes the fixture when `SABOT_STORE_WRITE_FIXTURE` is set: once for each version of the format.
#[test]
fn a_fixture_is_written_when_asked_for() {
    if std::env::var_os("SABOT_STORE_WRITE_FIXTURE").is_none() {
        return;
    }
    let data = fixture();
    let store = Store::open(Arc::new(RealDisk), &data, TINY).unwrap();
    store.create_stream(stream("s", 1)).unwrap();
    store.put_record("test", "key", &"value").unwrap();
    let key = vec!["id".to_owned()];
    let spec = TableSpec { name: "t".to_owned(), key, schema: schema(), backend: Backend::Memory };
    store.create_table(spec).unwrap();
    let mut writer = store.writer("s", 0, "a").unwrap();
    let mut table = store.writer("t.changelog", 0, "a").unwrap();
    commit_each_id(&store, &mut writer, 1..=8);
    writer.append(&ids(9..20), &at_second(9)).unwrap();
    table.append(&ids([5, 4, 5]), &at_second(9)).unwrap();
    let sections = [Section { name: "0.state".to_owned(), full: true, batch: ids([42]) }];
    let (id, snapshot, parent) = store.write_snapshot("a", 1, 9, &sections).unwrap();
    let mut last = request(9, &mut writer);
    last.record.snapshots.push(id);
    last.record.finished = true;
    let (files, dirs) = table.take_dirty();
    last.record.outputs.push(table.end());
    last.dirty.extend(files.into_iter().chain([snapshot]));
    last.dirty_dirs.extend(dirs.into_iter().chain([parent]));
    let ends = [("s", writer.end()), ("t.changelog", table.end())];
    store.commit(&last).unwrap();
    drop((store, writer, table));
    // The spare room of the journal and the last segments has no place in a repository.
    let journal_bytes = Store::open(Arc::new(RealDisk), &data, TINY).unwrap().disk_usage().journal;
    for (name, end) in ends {
        let path = data.join("streams").join(name).join("0").join(format!("{:020}.seg", end.segment));
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(end.bytes).unwrap();
    }
    let journal = fs::read_dir(data.join("journal")).unwrap().next().unwrap().unwrap().path();
    fs::OpenOptions::new().write(true).open(journal).unwrap().set_len(journal_bytes).unwrap();
    fs::remove_file(data.join("LOCK")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn version_1_opens() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture(), dir.path());
    let store = Store::open(Arc::new(RealDisk), dir.path(), TINY).unwrap();
    assert_eq!(read(&store, "s"), (1..20).collect::<Vec<_>>());
    assert_eq!(store.stream("s").unwrap().spec.schema, schema());
    assert!(store.stream("s").unwrap().finished);
    assert_eq!(store.get_record::<String>("test", "key").unwrap().as_deref(), Some("value"));
    assert_eq!(store.table("t").unwrap().scan(10).unwrap(), ids([4, 5]));
    let last = store.last_commit("a").unwrap();
    assert_eq!((last.generation, last.epoch), (1, 9));
    let sections = store.read_snapshot("a", &last.snapshots[0]).unwrap();
    assert_eq!(sections, [Section { name: "0.state".to_owned(), full: true, batch: ids([42]) }]);
    let mut writer = store.writer("s", 0, "a").unwrap();
    writer.append(&ids([20]), &at_second(20)).unwrap();
    let outcomes = store.commit_group(&[request(10, &mut writer), bare(record("b", 1, 1))]).unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(read(&store, "s"), (1..21).collect::<Vec<_>>());
}
