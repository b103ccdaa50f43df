//! Bytes of segments: file header, frame header, record batches. `docs/storage.md` draws them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::try_schema_from_flatbuffer_bytes;
use arrow::ipc::reader::RecordBatchDecoder;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{MetadataVersion, root_as_message};
use sabot_common::clock::Timestamp;

use super::FrameMeta;
use crate::StoreError;

const MAGIC: &[u8; 8] = b"SABOTSEG";
/// Version of the segment format.
pub(crate) const VERSION: u32 = 1;
/// Bytes of the fixed part of a segment's header: magic, version, schema length, base, checksum, padding.
const FILE_HEADER: usize = 32;
/// Bytes of a frame's header.
pub(super) const FRAME_HEADER: usize = 80;
/// Everything starts at a multiple of this, so that decoded columns need no copy.
const ALIGN: usize = 8;
/// Largest payload of a frame; larger lengths are damage.
const MAX_PAYLOAD: u32 = 1 << 30;

/// A segment's header: `base` is the offset of its first row.
pub(super) fn encode_file_header(base: u64, schema: &Schema) -> Result<Vec<u8>, StoreError> {
    let schema = encode_schema(schema);
    let mut bytes = vec![0; FILE_HEADER];
    bytes.extend_from_slice(&schema);
    pad(&mut bytes);
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 8, &VERSION.to_le_bytes());
    put(&mut bytes, 12, &length(schema.len())?.to_le_bytes());
    put(&mut bytes, 16, &base.to_le_bytes());
    let checksum = crc32fast::hash(&schema);
    put(&mut bytes, 24, &checksum.to_le_bytes());
    Ok(bytes)
}

/// Checks a segment's header and returns where its frames start.
pub(super) fn check_file_header(
    path: &Path,
    base: u64,
    read: impl Fn(&mut [u8], u64) -> std::io::Result<()>,
) -> Result<u64, StoreError> {
    let mut fixed = [0; FILE_HEADER];
    read(&mut fixed, 0).map_err(|_short| StoreError::corrupt(path, 0, "the header is missing"))?;
    if take(&fixed, 0) != *MAGIC {
        return Err(StoreError::corrupt(path, 0, "this is not a segment"));
    }
    let version = u32::from_le_bytes(take(&fixed, 8));
    if version != VERSION {
        return Err(StoreError::UnknownFormat {
            file: path.to_owned(),
            found: version.to_string(),
            supported: VERSION,
        });
    }
    if u64::from_le_bytes(take(&fixed, 16)) != base {
        return Err(StoreError::corrupt(path, 16, "the first row is not the one in the name"));
    }
    let len = u32::from_le_bytes(take(&fixed, 12)) as usize;
    let mut schema = vec![0; len.min(MAX_PAYLOAD as usize)];
    read(&mut schema, FILE_HEADER as u64).map_err(|_short| StoreError::corrupt(path, 12, "the schema is cut off"))?;
    if crc32fast::hash(&schema) != u32::from_le_bytes(take(&fixed, 24)) {
        return Err(StoreError::corrupt(path, FILE_HEADER as u64, "the schema's checksum does not fit"));
    }
    Ok((FILE_HEADER + len).next_multiple_of(ALIGN) as u64)
}

/// A schema as an Arrow IPC message.
pub(crate) fn encode_schema(schema: &Schema) -> Vec<u8> {
    let mut tracker = DictionaryTracker::new(false);
    IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options()).ipc_message
}

/// A schema from an Arrow IPC message.
pub(crate) fn decode_schema(bytes: &[u8]) -> Result<SchemaRef, StoreError> {
    let schema = try_schema_from_flatbuffer_bytes(bytes);
    schema.map(Arc::new).map_err(|error| StoreError::InvalidData(format!("a schema cannot be read: {error}")))
}

/// A decoded frame header.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    pub(super) payload: u32,
    pub(super) rows: u32,
    pub(super) offset: u64,
    pub(super) meta: FrameMeta,
    checksum: u32,
}

impl FrameHeader {
    /// Reads a header. Its checksum is checked with the payload.
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER], path: &Path, position: u64) -> Result<Self, StoreError> {
        let payload = u32::from_le_bytes(take(bytes, 0));
        if payload == 0 || payload > MAX_PAYLOAD {
            return Err(StoreError::corrupt(path, position, format!("a frame of {payload} bytes is not possible")));
        }
        let meta = FrameMeta {
            trace: (take::<1>(bytes, 12) == [1]).then(|| take(bytes, 48)),
            appended_at: Timestamp::from_unix_nanos(i64::from_le_bytes(take(bytes, 24))),
            min_event_time: i64::from_le_bytes(take(bytes, 32)),
            max_event_time: i64::from_le_bytes(take(bytes, 40)),
        };
        Ok(Self {
            payload,
            checksum: u32::from_le_bytes(take(bytes, 4)),
            rows: u32::from_le_bytes(take(bytes, 8)),
            offset: u64::from_le_bytes(take(bytes, 16)),
            meta,
        })
    }

    /// Bytes of header and payload together.
    pub(super) const fn size(&self) -> u64 {
        FRAME_HEADER as u64 + self.payload as u64
    }

    /// Whether header and payload are what was written.
    pub(super) fn fits(&self, header: &[u8; FRAME_HEADER], payload: &[u8]) -> bool {
        checksum(header, payload) == self.checksum
    }
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(..4).unwrap_or_default());
    hasher.update(header.get(8..).unwrap_or_default());
    hasher.update(payload);
    hasher.finalize()
}

/// Encodes frames; keeps its buffers between calls.
pub(super) struct Encoder {
    generator: IpcDataGenerator,
    options: IpcWriteOptions,
    context: IpcWriteContext,
    tracker: DictionaryTracker,
    frame: Vec<u8>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            generator: IpcDataGenerator::default(),
            options: options(),
            context: IpcWriteContext::default(),
            tracker: DictionaryTracker::new(false),
            frame: Vec::new(),
        }
    }

    /// One frame: header, message length, message, body.
    pub(super) fn encode(&mut self, batch: &RecordBatch, offset: u64, meta: &FrameMeta) -> Result<&[u8], StoreError> {
        let encoded = self.generator.encode(batch, &mut self.tracker, &self.options, &mut self.context);
        let (_, message) =
            encoded.map_err(|error| StoreError::InvalidData(format!("rows cannot be encoded: {error}")))?;
        let frame = &mut self.frame;
        frame.clear();
        frame.resize(FRAME_HEADER, 0);
        frame.extend_from_slice(&length(message.ipc_message.len())?.to_le_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&message.ipc_message);
        pad(frame);
        frame.extend_from_slice(&message.arrow_data);
        pad(frame);
        let payload = length(frame.len() - FRAME_HEADER)?;
        if payload > MAX_PAYLOAD {
            return Err(StoreError::InvalidData(format!(
                "{} rows are larger than a frame may be (1 GiB)",
                batch.num_rows()
            )));
        }
        put(frame, 0, &payload.to_le_bytes());
        put(frame, 8, &length(batch.num_rows())?.to_le_bytes());
        put(frame, 16, &offset.to_le_bytes());
        put(frame, 24, &meta.appended_at.unix_nanos().to_le_bytes());
        put(frame, 32, &meta.min_event_time.to_le_bytes());
        put(frame, 40, &meta.max_event_time.to_le_bytes());
        if let Some(trace) = meta.trace {
            put(frame, 12, &[1]);
            put(frame, 48, &trace);
        }
        let (header, payload) = frame.split_at(FRAME_HEADER);
        let checksum = checksum(header, payload);
        put(frame, 4, &checksum.to_le_bytes());
        Ok(frame)
    }
}

/// The rows in a frame's payload; columns share its memory.
pub(super) fn decode_batch(payload: &Buffer, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let len = payload.get(..4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).ok_or("too short")? as usize;
    let message = payload.get(8..8 + len).ok_or("the message is cut off")?;
    let message = root_as_message(message).map_err(|error| error.to_string())?;
    let header = message.header_as_record_batch().ok_or("the message holds no rows")?;
    let body = payload.slice((8 + len).next_multiple_of(ALIGN));
    let dictionaries = HashMap::new();
    RecordBatchDecoder::try_new(&body, header, Arc::clone(schema), &dictionaries, &MetadataVersion::V5)
        .and_then(RecordBatchDecoder::read_record_batch)
        .map_err(|error| error.to_string())
}

fn options() -> IpcWriteOptions {
    // Alignment 8 is always valid; the error case is for other numbers.
    IpcWriteOptions::try_new(ALIGN, false, MetadataVersion::V5).unwrap_or_default()
}

fn length(len: usize) -> Result<u32, StoreError> {
    u32::try_from(len).map_err(|_too_large| StoreError::InvalidData(format!("{len} is larger than a frame may hold")))
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}
