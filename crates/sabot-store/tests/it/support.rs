//! Short ways to make stores, rows and commits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use sabot_common::clock::Timestamp;
use sabot_store::{
    CommitRecord, CommitRequest, Disk, FaultyDisk, FrameMeta, PartitionWriter, Store, StoreError, StoreOptions,
    StreamKind, StreamSpec,
};

/// Small enough that a few frames fill a segment and a few commits the journal.
pub(crate) const TINY: StoreOptions = StoreOptions { segment_bytes: 1_500, journal_bytes: 2_000 };

pub(crate) fn dir() -> &'static Path {
    Path::new("/data")
}

pub(crate) fn open(disk: &FaultyDisk) -> Result<Arc<Store>, StoreError> {
    Store::open(Arc::new(disk.clone()) as Arc<dyn Disk>, dir(), TINY)
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]))
}

pub(crate) fn stream(name: &str, partitions: u32) -> StreamSpec {
    StreamSpec {
        name: name.to_owned(),
        partitions,
        schema: schema(),
        event_time: None,
        retention: None,
        kind: StreamKind::Stream,
    }
}

pub(crate) fn ids(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(values))]).unwrap()
}

pub(crate) fn at_second(second: i64) -> FrameMeta {
    FrameMeta { appended_at: Timestamp::from_unix_micros(second * 1_000_000), ..FrameMeta::default() }
}

/// A store with stream `s` of one partition, and its writer.
pub(crate) fn with_stream(disk: &FaultyDisk) -> (Arc<Store>, PartitionWriter) {
    let store = open(disk).unwrap();
    store.create_stream(stream("s", 1)).unwrap();
    let writer = store.writer("s", 0, "a").unwrap();
    (store, writer)
}

pub(crate) fn record(agent: &str, generation: u64, epoch: u64) -> CommitRecord {
    CommitRecord { agent: agent.to_owned(), generation, epoch, ..CommitRecord::default() }
}

/// All that a writer has appended since the last time, to be committed as an epoch of agent `a`.
pub(crate) fn request(epoch: u64, writer: &mut PartitionWriter) -> CommitRequest {
    let mut record = record("a", 1, epoch);
    record.outputs.push(writer.end());
    let (dirty, dirty_dirs) = writer.take_dirty();
    CommitRequest { record, dirty, dirty_dirs }
}

pub(crate) fn bare(record: CommitRecord) -> CommitRequest {
    CommitRequest { record, dirty: Vec::new(), dirty_dirs: Vec::new() }
}

pub(crate) fn commit(store: &Store, epoch: u64, writer: &mut PartitionWriter) -> Result<(), StoreError> {
    store.commit(&request(epoch, writer))
}

/// Appends and commits each number on its own, with itself as epoch and second.
pub(crate) fn commit_each_id(store: &Store, writer: &mut PartitionWriter, values: std::ops::RangeInclusive<i64>) {
    for id in values {
        writer.append(&ids([id]), &at_second(id)).unwrap();
        commit(store, u64::try_from(id).unwrap(), writer).unwrap();
    }
}

/// All visible rows of a partition from an offset on.
pub(crate) fn read_from(store: &Store, stream: &str, partition: u32, from: u64) -> Result<Vec<i64>, StoreError> {
    let mut reader = store.reader(stream, partition, from)?;
    let mut rows = Vec::new();
    while let Some(frame) = reader.next(usize::MAX)? {
        rows.extend(frame.batch.column(0).as_primitive::<Int64Type>().values());
    }
    Ok(rows)
}

pub(crate) fn read(store: &Store, stream: &str) -> Vec<i64> {
    read_from(store, stream, 0, 0).unwrap()
}

/// Segments of `s`, oldest first.
pub(crate) fn segments(disk: &FaultyDisk) -> Vec<PathBuf> {
    files_in(disk, "streams/s/0")
}

pub(crate) fn files_in(disk: &FaultyDisk, inside: &str) -> Vec<PathBuf> {
    disk.files().into_iter().map(|(path, _)| path).filter(|path| path.starts_with(dir().join(inside))).collect()
}

pub(crate) fn bytes_of(disk: &FaultyDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, sabot_store::OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Overwrites bytes, durably.
pub(crate) fn overwrite(disk: &FaultyDisk, path: &Path, offset: u64, bytes: &[u8]) {
    let file = disk.open(path, sabot_store::OpenMode::ReadWrite).unwrap();
    file.write_all_at(bytes, offset).unwrap();
    file.sync_data().unwrap();
}

#[track_caller]
pub(crate) fn assert_corrupt<T>(outcome: Result<T, StoreError>, path: &Path, at: u64) {
    match outcome.map(drop) {
        Err(StoreError::Corrupt { file, offset, problem }) => {
            assert_eq!((file.as_path(), offset), (path, at), "{problem}");
        }
        other => panic!("not told as corrupt: {other:?}"),
    }
}
