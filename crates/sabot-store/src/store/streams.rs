//! Streams in memory: what they are, how far they are committed, who writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arrow::datatypes::DataType;
use sabot_common::config::Retention;

use super::commit::END;
use super::directory::STREAMS;
use super::retention::EARLIEST;
use super::{PartitionInfo, StreamInfo};
use crate::error::at;
use crate::journal::Records;
use crate::record::StreamRecord;
use crate::segment::{base_of, decode_schema, encode_schema, file_name};
use crate::{CommitRecord, Disk, OpenMode, OutputEnd, StoreError, StreamSpec};

pub(super) const KIND: &str = "stream";

/// A stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) spec: Arc<StreamSpec>,
    partitions: Vec<Arc<PartitionState>>,
    finished: AtomicBool,
}

/// A partition: what of it counts.
#[derive(Debug)]
pub(crate) struct PartitionState {
    end: RwLock<OutputEnd>,
    earliest: AtomicU64,
    /// Bytes in segments that are complete and kept.
    rolled_bytes: AtomicU64,
    writer: Mutex<Option<String>>,
    /// The newest opening of its writer.
    session: AtomicU64,
    /// Held while a commit moves the end, and while a writer is opened at it.
    moving: Mutex<()>,
}

/// The right to write a partition; ends when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    state: Arc<PartitionState>,
}

impl Claim {
    pub(crate) fn take(
        state: &Arc<PartitionState>,
        stream: &str,
        partition: u32,
        owner: &str,
        session: u64,
    ) -> Result<Self, StoreError> {
        let mut writer = state.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = writer.as_ref() {
            return Err(StoreError::Conflict(format!(
                "stream \"{stream}\": partition {partition} is being written by \"{other}\"; a partition has one writer"
            )));
        }
        *writer = Some(owner.to_owned());
        state.session.store(session, Ordering::Release);
        Ok(Self { state: Arc::clone(state) })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        *self.state.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl PartitionState {
    /// The committed end, and the offset of the oldest row kept.
    pub(crate) fn committed(&self) -> (OutputEnd, u64) {
        let end = self.end.read().unwrap_or_else(PoisonError::into_inner).clone();
        (end, self.earliest.load(Ordering::Acquire))
    }

    /// Moves the committed end, past `rolled` bytes of segments that are complete now.
    pub(crate) fn publish(&self, end: OutputEnd, rolled: u64) {
        let mut current = self.end.write().unwrap_or_else(PoisonError::into_inner);
        self.rolled_bytes.fetch_add(rolled, Ordering::Relaxed);
        *current = end;
    }

    /// Keeps the end and the writer as they are.
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest opening of its writer.
    pub(crate) fn session(&self) -> u64 {
        self.session.load(Ordering::Acquire)
    }

    pub(super) fn retired(&self, earliest: u64, bytes: u64) {
        self.earliest.store(earliest, Ordering::Release);
        self.rolled_bytes.fetch_sub(bytes.min(self.rolled_bytes.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    pub(super) fn rolled_bytes(&self) -> u64 {
        self.rolled_bytes.load(Ordering::Relaxed)
    }
}

impl Stream {
    pub(crate) fn new(spec: StreamSpec) -> Self {
        let partition = |partition| {
            let end = OutputEnd { stream: spec.name.clone(), partition, ..OutputEnd::default() };
            Arc::new(PartitionState {
                end: RwLock::new(end),
                earliest: AtomicU64::new(0),
                rolled_bytes: AtomicU64::new(0),
                writer: Mutex::new(None),
                session: AtomicU64::new(0),
                moving: Mutex::new(()),
            })
        };
        let partitions = (0..spec.partitions).map(partition).collect();
        Self { partitions, spec: Arc::new(spec), finished: AtomicBool::new(false) }
    }

    pub(crate) fn partition(&self, number: u32) -> Result<Arc<PartitionState>, StoreError> {
        self.partitions.get(number as usize).map(Arc::clone).ok_or_else(|| {
            let (name, count) = (&self.spec.name, self.spec.partitions);
            StoreError::NotFound(format!("stream \"{name}\": partition {number} (it has {count})"))
        })
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = (u32, &Arc<PartitionState>)> {
        (0_u32..).zip(&self.partitions)
    }

    pub(super) fn set_finished(&self, finished: bool) {
        self.finished.store(finished, Ordering::Release);
    }

    pub(crate) fn info(&self) -> StreamInfo {
        // Read first: rows committed together with the end must be seen by who sees the end.
        let finished = self.finished.load(Ordering::Acquire);
        let partition = |state: &Arc<PartitionState>| {
            let (end, earliest) = state.committed();
            PartitionInfo { earliest, latest: end.offset, bytes: state.rolled_bytes() + end.bytes }
        };
        StreamInfo {
            spec: Arc::clone(&self.spec),
            partitions: self.partitions.iter().map(partition).collect(),
            finished,
        }
    }

    /// The same stream with another retention. Must be made while nothing commits.
    pub(crate) fn with_retention(&self, retention: Option<Retention>) -> Self {
        Self {
            spec: Arc::new(StreamSpec { retention, ..self.spec.as_ref().clone() }),
            partitions: self.partitions.clone(),
            finished: AtomicBool::new(self.finished.load(Ordering::Acquire)),
        }
    }

    /// Whether a wanted stream is this one.
    pub(crate) fn check_same(&self, wanted: &StreamSpec) -> Result<(), StoreError> {
        let name = &wanted.name;
        let differs = |what: &str, has: String, wants: String| {
            Err(StoreError::Conflict(format!(
                "stream \"{name}\" exists with other {what} ({has}, wanted {wants}); use another name, or start over with --fresh"
            )))
        };
        if self.spec.kind != wanted.kind {
            return differs("use", format!("{:?}", self.spec.kind), format!("{:?}", wanted.kind));
        }
        if self.spec.partitions != wanted.partitions {
            return differs("partitions", self.spec.partitions.to_string(), wanted.partitions.to_string());
        }
        if self.spec.schema.fields() != wanted.schema.fields() {
            let columns = |spec: &StreamSpec| {
                let column = |f: &Arc<arrow::datatypes::Field>| format!("{} {}", f.name(), f.data_type());
                spec.schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
            };
            return differs("columns", columns(&self.spec), columns(wanted));
        }
        if self.spec.event_time != wanted.event_time {
            let text = |column: &Option<String>| column.clone().unwrap_or_else(|| "none".to_owned());
            return differs("event time", text(&self.spec.event_time), text(&wanted.event_time));
        }
        Ok(())
    }
}

/// Key of the records about a partition.
pub(super) fn key_of(stream: &str, partition: u32) -> String {
    format!("{stream}/{partition}")
}

/// Streams an agent writes: those of this record, and those it named once and has not moved since.
pub(super) fn outputs_of(record: &CommitRecord) -> impl Iterator<Item = &str> {
    let named = record.extra.get("streams").and_then(|names| names.as_array());
    let named = named.into_iter().flatten().filter_map(|name| name.as_str());
    record.outputs.iter().map(|end| end.stream.as_str()).chain(named)
}

/// Whether a stream can be stored at all.
pub(super) fn check(spec: &StreamSpec) -> Result<(), StoreError> {
    if spec.partitions == 0 {
        return Err(StoreError::InvalidData(format!("stream \"{}\" has no partition", spec.name)));
    }
    check_name("stream", &spec.name)?;
    for field in spec.schema.fields() {
        if !is_stored(field.data_type()) {
            let (name, column, kind) = (&spec.name, field.name(), field.data_type());
            return Err(StoreError::InvalidData(format!(
                "stream \"{name}\": column \"{column}\" is {kind}, which is not stored; use the plain type"
            )));
        }
    }
    Ok(())
}

/// Whether a name can be that of a directory.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), StoreError> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(()),
        _ => Err(StoreError::InvalidData(format!("{what} \"{name}\": the name cannot be a directory"))),
    }
}

/// Whether values of a type can be written without a dictionary beside them.
fn is_stored(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) | DataType::Utf8View | DataType::BinaryView => false,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => is_stored(field.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_stored(field.data_type())),
        _ => true,
    }
}

pub(super) fn to_record(spec: &StreamSpec) -> StreamRecord {
    let hex = |bytes: Vec<u8>| {
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
    };
    StreamRecord {
        partitions: spec.partitions,
        schema: hex(encode_schema(&spec.schema)),
        event_time: spec.event_time.clone(),
        retention: spec.retention,
        kind: spec.kind,
    }
}

fn from_record(name: &str, record: StreamRecord) -> Result<StreamSpec, StoreError> {
    let digits = |at: usize| record.schema.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..record.schema.len()).step_by(2).map(digits).collect();
    let bytes =
        bytes.ok_or_else(|| StoreError::InvalidData(format!("stream \"{name}\": its schema cannot be read")))?;
    Ok(StreamSpec {
        name: name.to_owned(),
        partitions: record.partitions,
        schema: decode_schema(&bytes)?,
        event_time: record.event_time,
        retention: record.retention,
        kind: record.kind,
    })
}

/// Streams as the journal has them, with files beyond the committed ends removed.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    records: &Records,
) -> Result<BTreeMap<String, Arc<Stream>>, StoreError> {
    let mut streams = BTreeMap::new();
    for (name, record) in records.of_kind::<StreamRecord>(KIND)? {
        let stream = Stream::new(from_record(&name, record)?);
        for (number, state) in stream.partitions() {
            let key = key_of(&name, number);
            if let Some(end) = records.get::<OutputEnd>(END, &key)? {
                *state.end.write().unwrap_or_else(PoisonError::into_inner) = end;
            }
            state.earliest.store(records.get(EARLIEST, &key)?.unwrap_or(0), Ordering::Release);
            recover_partition(disk, &dir.join(STREAMS).join(&name).join(number.to_string()), state)?;
        }
        streams.insert(name, Arc::new(stream));
    }
    for (_, commit) in records.of_kind::<CommitRecord>(super::COMMIT)? {
        if commit.finished {
            outputs_of(&commit).filter_map(|name| streams.get(name)).for_each(|stream| stream.set_finished(true));
        }
    }
    Ok(streams)
}

/// Counts what a partition has, after removing what was never committed and what retention has let go of.
fn recover_partition(disk: &Arc<dyn Disk>, dir: &Path, state: &PartitionState) -> Result<(), StoreError> {
    let (end, earliest) = state.committed();
    let mut kept = remove_uncommitted(disk, dir, &end)?;
    for base in kept.extract_if(.., |base| *base < earliest) {
        let path = dir.join(file_name(base));
        disk.remove_file(&path).map_err(at(&path))?;
    }
    if earliest < end.offset && kept.first() != Some(&earliest) {
        let there = kept.first().map_or_else(|| "none is there".to_owned(), |first| format!("the first is {first}"));
        let problem = format!("no segment starts at row {earliest}, the earliest of {} committed; {there}", end.offset);
        return Err(StoreError::corrupt(dir, earliest, problem));
    }
    let mut rolled = 0;
    for base in kept.iter().filter(|base| **base < end.segment) {
        rolled += len_of(disk, &dir.join(file_name(*base)))?;
    }
    if end.bytes > 0 {
        let path = dir.join(file_name(end.segment));
        let len = if kept.contains(&end.segment) { len_of(disk, &path)? } else { 0 };
        if len < end.bytes {
            return Err(StoreError::corrupt(&path, len, format!("{} bytes are committed, {len} are there", end.bytes)));
        }
    }
    state.rolled_bytes.store(rolled, Ordering::Relaxed);
    Ok(())
}

/// Removes segments behind the committed end, and returns the first rows of the others in order. They are left from
/// before a crash, or from a writer that was dropped; a later segment must not end up among them.
pub(super) fn remove_uncommitted(disk: &Arc<dyn Disk>, dir: &Path, end: &OutputEnd) -> Result<Vec<u64>, StoreError> {
    let mut kept = Vec::new();
    for base in disk.list(dir).map_err(at(dir))?.iter().filter_map(|name| base_of(name)) {
        if base > end.segment || (base == end.segment && end.bytes == 0) {
            let path = dir.join(file_name(base));
            disk.remove_file(&path).map_err(at(&path))?;
        } else {
            kept.push(base);
        }
    }
    kept.sort_unstable();
    Ok(kept)
}

/// Length of a file.
pub(super) fn len_of(disk: &Arc<dyn Disk>, path: &Path) -> Result<u64, StoreError> {
    disk.open(path, OpenMode::Read).and_then(|file| file.len()).map_err(at(path))
}
