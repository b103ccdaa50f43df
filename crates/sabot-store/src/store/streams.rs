//! Streams in memory: what they are, how far they are committed, who writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arrow::datatypes::DataType;

use super::{PartitionInfo, StreamInfo, records_of};
use crate::error::at;
use crate::journal::Journal;
use crate::record::StreamRecord;
use crate::segment::{base_of, decode_schema, encode_schema, file_name};
use crate::{CommitRecord, Disk, OutputEnd, StoreError, StreamSpec};

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
    ) -> Result<Self, StoreError> {
        let mut writer = state.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = writer.as_ref() {
            return Err(StoreError::Conflict(format!(
                "stream \"{stream}\": partition {partition} is being written by \"{other}\"; a partition has one writer"
            )));
        }
        *writer = Some(owner.to_owned());
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

    /// Moves the committed end.
    pub(crate) fn publish(&self, end: OutputEnd) {
        let mut current = self.end.write().unwrap_or_else(PoisonError::into_inner);
        if end.segment != current.segment {
            self.rolled_bytes.fetch_add(current.bytes, Ordering::Relaxed);
        }
        *current = end;
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

    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
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

    /// Whether a wanted stream is this one.
    pub(crate) fn check_same(&self, wanted: &StreamSpec) -> Result<(), StoreError> {
        let name = &wanted.name;
        let differs = |what: &str, has: String, wants: String| {
            Err(StoreError::Conflict(format!(
                "stream \"{name}\" exists with other {what} ({has}, wanted {wants}); use another name, or start over with --fresh"
            )))
        };
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

/// Whether a stream can be stored at all.
pub(super) fn check(spec: &StreamSpec) -> Result<(), StoreError> {
    if spec.partitions == 0 {
        return Err(StoreError::InvalidData(format!("stream \"{}\" has no partition", spec.name)));
    }
    for field in spec.schema.fields() {
        if matches!(field.data_type(), DataType::Dictionary(..) | DataType::Utf8View | DataType::BinaryView) {
            let (name, column, kind) = (&spec.name, field.name(), field.data_type());
            return Err(StoreError::InvalidData(format!(
                "stream \"{name}\": column \"{column}\" is {kind}, which is not stored; use the plain type"
            )));
        }
    }
    Ok(())
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
    journal: &Journal,
) -> Result<BTreeMap<String, Arc<Stream>>, StoreError> {
    let mut streams = BTreeMap::new();
    for (name, record) in records_of::<StreamRecord>(journal, KIND)? {
        streams.insert(name.clone(), Arc::new(Stream::new(from_record(&name, record)?)));
    }
    let ends: BTreeMap<(String, u32), OutputEnd> = records_of::<OutputEnd>(journal, super::commit::END)?
        .into_iter()
        .map(|(_, end)| ((end.stream.clone(), end.partition), end))
        .collect();
    for (name, stream) in &streams {
        for (number, state) in stream.partitions() {
            let end = ends.get(&(name.clone(), number)).cloned();
            recover_partition(disk, &dir.join("streams").join(name).join(number.to_string()), state, end)?;
        }
    }
    for (_, commit) in records_of::<CommitRecord>(journal, super::COMMIT)? {
        if commit.finished {
            let outputs = commit.extra.get("streams").and_then(|names| names.as_array()).cloned().unwrap_or_default();
            let names =
                commit.outputs.iter().map(|end| end.stream.as_str()).chain(outputs.iter().filter_map(|n| n.as_str()));
            names.filter_map(|name| streams.get(name)).for_each(|stream| stream.finish());
        }
    }
    Ok(streams)
}

fn recover_partition(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    state: &PartitionState,
    end: Option<OutputEnd>,
) -> Result<(), StoreError> {
    let segment = end.as_ref().map_or(0, |end| end.segment);
    let mut bases: Vec<u64> = disk.list(dir).map_err(at(dir))?.iter().filter_map(|name| base_of(name)).collect();
    bases.sort_unstable();
    let mut rolled = 0;
    for base in &bases {
        let path = dir.join(file_name(*base));
        if *base > segment || end.is_none() {
            disk.remove_file(&path).map_err(at(&path))?;
        } else if *base < segment {
            rolled += disk.open(&path, crate::OpenMode::Read).and_then(|file| file.len()).map_err(at(&path))?;
        }
    }
    state.rolled_bytes.store(rolled, Ordering::Relaxed);
    if let Some(end) = end {
        let earliest = bases.first().copied().unwrap_or(0);
        if end.bytes > 0 && !bases.contains(&end.segment) {
            return Err(StoreError::corrupt(dir, 0, format!("segment {} is missing", file_name(end.segment))));
        }
        state.earliest.store(earliest, Ordering::Release);
        *state.end.write().unwrap_or_else(PoisonError::into_inner) = end;
    }
    Ok(())
}
