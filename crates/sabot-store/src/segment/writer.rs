//! Appending to a partition.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::codec::{Encoder, encode_file_header};
use super::{FrameMeta, file_name};
use crate::error::{at, is_full};
use crate::store::Claim;
use crate::{Disk, DiskFile, OpenMode, OutputEnd, StoreError};

/// First preallocation of a segment; each next one doubles up to the largest.
const FIRST_ALLOCATION: u64 = 1 << 20;
/// Largest preallocation at a time.
const LARGEST_ALLOCATION: u64 = 16 << 20;

/// The one writer of a partition. What it appends is visible once a commit names its end.
pub struct PartitionWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    schema: SchemaRef,
    segment_bytes: u64,
    end: OutputEnd,
    encoder: Encoder,
    current: Option<Open>,
    /// Segments written and rolled since the last commit.
    dirty: Vec<Arc<dyn DiskFile>>,
    made_file: bool,
    _claim: Claim,
}

struct Open {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    allocated: u64,
    dirty: bool,
}

impl std::fmt::Debug for PartitionWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionWriter({:?})", self.end)
    }
}

impl PartitionWriter {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        schema: SchemaRef,
        segment_bytes: u64,
        end: OutputEnd,
        claim: Claim,
    ) -> Self {
        let encoder = Encoder::new();
        Self {
            disk,
            dir,
            schema,
            segment_bytes,
            end,
            encoder,
            current: None,
            dirty: Vec::new(),
            made_file: false,
            _claim: claim,
        }
    }

    /// The end of what has been appended.
    pub fn end(&self) -> OutputEnd {
        self.end.clone()
    }

    /// Appends rows as one frame and returns its bytes; no rows are no frame. On failure nothing has been appended.
    pub fn append(&mut self, batch: &RecordBatch, meta: &FrameMeta) -> Result<u64, StoreError> {
        if batch.schema_ref().fields() != self.schema.fields() {
            return Err(StoreError::InvalidData(format!("stream \"{}\": rows have other columns", self.end.stream)));
        }
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        // A segment is named after its first row, so that the next one needs a row between.
        if self.end.bytes >= self.segment_bytes && self.end.offset > self.end.segment {
            self.roll()?;
        }
        self.open()?;
        let frame = self.encoder.encode(batch, self.end.offset, meta)?;
        let Some(open) = &mut self.current else { return Ok(0) };
        let size = frame.len() as u64;
        open.reserve(self.end.bytes + size)?;
        open.file.write_all_at(frame, self.end.bytes).map_err(at(&open.path))?;
        open.dirty = true;
        self.end.bytes += size;
        self.end.offset += batch.num_rows() as u64;
        Ok(size)
    }

    /// Files to sync before the end counts, and directories in which files were made.
    pub fn take_dirty(&mut self) -> (Vec<Arc<dyn DiskFile>>, Vec<PathBuf>) {
        let mut files = std::mem::take(&mut self.dirty);
        if let Some(open) = &mut self.current
            && std::mem::take(&mut open.dirty)
        {
            files.push(Arc::clone(&open.file));
        }
        let dirs = if std::mem::take(&mut self.made_file) { vec![self.dir.clone()] } else { Vec::new() };
        (files, dirs)
    }

    /// Ends the segment: its spare room is given back, the next row starts a new one.
    fn roll(&mut self) -> Result<(), StoreError> {
        if self.current.is_none() && self.end.bytes > 0 {
            // Filled by an earlier writer, which left spare room: readers take a complete segment's length for its end.
            self.open()?;
        }
        if let Some(open) = &self.current {
            open.file.set_len(self.end.bytes).map_err(at(&open.path))?;
            self.dirty.push(Arc::clone(&open.file));
        }
        self.current = None;
        self.end.segment = self.end.offset;
        self.end.bytes = 0;
        Ok(())
    }

    /// Opens the segment the end is in, or makes it.
    fn open(&mut self) -> Result<(), StoreError> {
        if self.current.is_some() {
            return Ok(());
        }
        let path = self.dir.join(file_name(self.end.segment));
        self.disk.create_dir_all(&self.dir).map_err(at(&self.dir))?;
        let file = self.disk.open(&path, OpenMode::Create).map_err(at(&path))?;
        let mut open = Open { path, file, allocated: 0, dirty: true };
        if self.end.bytes == 0 {
            // Left over from before a crash, or new: either way nothing in it counts.
            open.file.set_len(0).map_err(at(&open.path))?;
            let header = encode_file_header(self.end.segment, &self.schema)?;
            open.reserve(header.len() as u64)?;
            open.file.write_all_at(&header, 0).map_err(at(&open.path))?;
            self.end.bytes = header.len() as u64;
            self.made_file = true;
        } else {
            open.file.set_len(self.end.bytes).map_err(at(&open.path))?;
            open.allocated = self.end.bytes;
        }
        self.current = Some(open);
        Ok(())
    }
}

impl Open {
    /// Allocates room ahead, so that most syncs need not write the file's length.
    fn reserve(&mut self, needed: u64) -> Result<(), StoreError> {
        if needed <= self.allocated {
            return Ok(());
        }
        let step = self.allocated.clamp(FIRST_ALLOCATION, LARGEST_ALLOCATION);
        let wanted = needed.max(self.allocated + step).next_multiple_of(FIRST_ALLOCATION);
        let path: &Path = &self.path;
        match self.file.allocate(wanted) {
            // Not enough room to be generous; the frame itself may still fit.
            Err(error) if is_full(&error) => {
                self.file.allocate(needed).map_err(at(path))?;
                self.allocated = needed;
            }
            outcome => {
                outcome.map_err(at(path))?;
                self.allocated = wanted;
            }
        }
        Ok(())
    }
}
