//! Reading a partition: committed frames in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::SchemaRef;

use super::codec::{FRAME_HEADER, FrameHeader, check_file_header, decode_batch};
use super::{Frame, base_of, file_name};
use crate::error::at;
use crate::store::PartitionState;
use crate::{Disk, DiskFile, OpenMode, OutputEnd, StoreError};

/// Reads committed rows of one partition, from an offset on.
pub struct PartitionReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    schema: SchemaRef,
    state: Arc<PartitionState>,
    offset: u64,
    current: Option<Open>,
    /// The rest of a frame that was larger than asked for.
    rest: Option<Frame>,
}

struct Open {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    base: u64,
    position: u64,
    /// Offset of the first row of the frame at the position.
    row: u64,
}

impl std::fmt::Debug for PartitionReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionReader({} at {})", self.dir.display(), self.offset)
    }
}

impl PartitionReader {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        schema: SchemaRef,
        state: Arc<PartitionState>,
        offset: u64,
    ) -> Self {
        Self { disk, dir, schema, state, offset, current: None, rest: None }
    }

    /// Offset of the next row.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at another offset.
    pub fn seek(&mut self, offset: u64) {
        self.offset = offset;
        self.current = None;
        self.rest = None;
    }

    /// The next committed rows, at most `max_rows`; none when all have been read.
    pub fn next(&mut self, max_rows: usize) -> Result<Option<Frame>, StoreError> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(self.give(rest, max_rows)));
        }
        loop {
            let (end, earliest) = self.state.committed();
            if self.offset >= end.offset {
                return Ok(None);
            }
            if self.offset < earliest {
                // Retention has passed the reader by.
                self.offset = earliest;
                self.current = None;
            }
            match self.read(&end) {
                Ok(frame) => return Ok(Some(self.give(frame, max_rows))),
                // Retention took the segment away between the look and the read.
                Err(_) if self.offset < self.state.committed().1 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Offset behind the newest committed row.
    pub(crate) fn end(&self) -> u64 {
        self.state.committed().0.offset
    }

    /// Hands out the first rows of a frame and keeps the others.
    fn give(&mut self, frame: Frame, max_rows: usize) -> Frame {
        let rows = frame.batch.num_rows();
        let max_rows = max_rows.max(1);
        let given = if rows > max_rows {
            let tail: RecordBatch = frame.batch.slice(max_rows, rows - max_rows);
            self.rest = Some(Frame { batch: tail, offset: frame.offset + max_rows as u64, meta: frame.meta });
            Frame { batch: frame.batch.slice(0, max_rows), ..frame }
        } else {
            frame
        };
        self.offset = given.offset + given.batch.num_rows() as u64;
        given
    }

    /// Reads the frame that holds the next row.
    fn read(&mut self, end: &OutputEnd) -> Result<Frame, StoreError> {
        loop {
            let open = self.open(end)?;
            let (file, path, position, row) = (Arc::clone(&open.file), open.path.clone(), open.position, open.row);
            let in_last = open.base == end.segment;
            let limit = if in_last { end.bytes } else { file.len().map_err(at(&path))? };
            if position >= limit {
                self.next_segment(&path, position, row, in_last, end)?;
                continue;
            }
            let mut header = [0; FRAME_HEADER];
            file.read_exact_at(&mut header, position)
                .map_err(|_short| StoreError::corrupt(&path, position, "a frame's header is cut off"))?;
            let decoded = FrameHeader::decode(&header, &path, position)?;
            if decoded.offset != row {
                let problem = format!("a frame starts at row {} instead of row {row}", decoded.offset);
                return Err(StoreError::corrupt(&path, position, problem));
            }
            if position + decoded.size() > limit {
                return Err(StoreError::corrupt(&path, position, "a frame is cut off"));
            }
            let next = row + u64::from(decoded.rows);
            if next <= self.offset {
                self.skip_to(position + decoded.size(), next);
                continue;
            }
            let batch = load(file.as_ref(), &path, position, &header, &decoded, &self.schema)?;
            self.skip_to(position + decoded.size(), next);
            let skip = usize::try_from(self.offset.saturating_sub(row)).unwrap_or(0).min(batch.num_rows());
            let batch = batch.slice(skip, batch.num_rows() - skip);
            return Ok(Frame { batch, offset: row + skip as u64, meta: decoded.meta });
        }
    }

    fn skip_to(&mut self, position: u64, row: u64) {
        if let Some(open) = &mut self.current {
            (open.position, open.row) = (position, row);
        }
    }

    /// Leaves a segment that has been read to its end, which must be where the next one starts.
    fn next_segment(
        &mut self,
        path: &Path,
        position: u64,
        row: u64,
        in_last: bool,
        end: &OutputEnd,
    ) -> Result<(), StoreError> {
        self.current = None;
        if in_last {
            let problem = format!("the end is committed at row {} but the frames end before", end.offset);
            return Err(StoreError::corrupt(path, position, problem));
        }
        if self.offset >= row && self.open(end)?.base == row {
            return Ok(());
        }
        self.current = None;
        Err(StoreError::corrupt(path, position, format!("the frames end at row {row} and no segment starts there")))
    }

    /// The segment that holds the next row.
    fn open(&mut self, end: &OutputEnd) -> Result<&mut Open, StoreError> {
        if self.current.is_none() {
            let bases = self.disk.list(&self.dir).map_err(at(&self.dir))?;
            let holds = |base: &u64| *base <= self.offset && *base <= end.segment;
            let base = bases.iter().filter_map(|name| base_of(name)).filter(holds).max();
            let base =
                base.ok_or_else(|| StoreError::corrupt(&self.dir, 0, format!("no segment holds row {}", self.offset)))?;
            let path = self.dir.join(file_name(base));
            let file = self.disk.open(&path, OpenMode::Read).map_err(at(&path))?;
            let position = check_file_header(&path, base, |bytes, offset| file.read_exact_at(bytes, offset))?;
            self.current = Some(Open { path, file, base, position, row: base });
        }
        self.current.as_mut().ok_or_else(|| StoreError::NotFound("segment".to_owned()))
    }
}

/// Reads and checks one frame's rows.
fn load(
    file: &dyn DiskFile,
    path: &Path,
    position: u64,
    header: &[u8; FRAME_HEADER],
    decoded: &FrameHeader,
    schema: &SchemaRef,
) -> Result<RecordBatch, StoreError> {
    // Aligned memory, so that columns can point into it.
    let mut payload = MutableBuffer::from_len_zeroed(decoded.payload as usize);
    file.read_exact_at(payload.as_slice_mut(), position + FRAME_HEADER as u64)
        .map_err(|_short| StoreError::corrupt(path, position, "a frame is cut off"))?;
    if !decoded.fits(header, payload.as_slice()) {
        return Err(StoreError::corrupt(path, position, "a frame's checksum does not fit"));
    }
    let payload: Buffer = payload.into();
    let batch = decode_batch(&payload, schema).map_err(|problem| StoreError::corrupt(path, position, problem))?;
    if batch.num_rows() != decoded.rows as usize {
        return Err(StoreError::corrupt(path, position, "a frame has another number of rows than it says"));
    }
    Ok(batch)
}

/// When the newest frame of a complete segment was written.
pub(crate) fn last_appended_at(
    file: &dyn DiskFile,
    path: &Path,
    base: u64,
) -> Result<Option<sabot_common::clock::Timestamp>, StoreError> {
    let len = file.len().map_err(at(path))?;
    let mut position = check_file_header(path, base, |bytes, offset| file.read_exact_at(bytes, offset))?;
    let mut newest = None;
    while position < len {
        let mut header = [0; FRAME_HEADER];
        file.read_exact_at(&mut header, position).map_err(at(path))?;
        let decoded = FrameHeader::decode(&header, path, position)?;
        newest = Some(decoded.meta.appended_at);
        position += decoded.size();
    }
    Ok(newest)
}
