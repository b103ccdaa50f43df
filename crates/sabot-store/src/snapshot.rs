//! Snapshots of operator state: one immutable file per epoch that changed something.
//!
//! A file is written, synced by the commit group, and counts once a commit names it. Files no commit names are garbage.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};

use crate::error::at;
use crate::{Disk, DiskFile, OpenMode, StoreError};

const MAGIC: &[u8; 8] = b"SABOTSNP";
/// Version of the snapshot format.
pub(crate) const VERSION: u32 = 1;
const HEADER: usize = 16;

/// A named piece of state.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// It replaces all earlier sections of its name; otherwise it adds to them.
    pub full: bool,
    /// The state.
    pub batch: RecordBatch,
}

#[derive(Serialize, Deserialize)]
struct SectionHeader {
    name: String,
    full: bool,
    bytes: u32,
    checksum: u32,
}

/// Identifier of a snapshot; sorts in the order they were made. `attempt` tells those of the same epoch apart, of which
/// a commit names at most one.
pub(crate) fn id_of(generation: u64, epoch: u64, attempt: u64) -> String {
    format!("{generation:010}-{epoch:020}-{attempt:010}")
}

/// Generation and epoch in an identifier.
pub(crate) fn place_of(id: &str) -> Option<(u64, u64)> {
    let mut parts = id.split('-').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Identifier of the snapshot with this file name.
pub(crate) fn id_in(file_name: &str) -> &str {
    file_name.trim_end_matches(".snap")
}

/// Directory of an agent's snapshots: a name may hold a colon, which is no good in a directory; an underscore is doubled
/// so that no two collide.
pub(crate) fn dir_name(agent: &str) -> String {
    agent.replace('_', "__").replace(':', "_.")
}

/// File of a snapshot.
pub(crate) fn path_of(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.snap"))
}

/// Writes a snapshot without syncing it. On failure no file is left.
pub(crate) fn write(disk: &Arc<dyn Disk>, path: &Path, sections: &[Section]) -> Result<Arc<dyn DiskFile>, StoreError> {
    let bytes = encode(sections)?;
    let written = disk.open(path, OpenMode::Create).and_then(|file| {
        file.set_len(0)?;
        // A full disk must be told here: told by the sync of the commit it would stop everything.
        file.allocate(bytes.len() as u64)?;
        file.write_all_at(&bytes, 0)?;
        Ok(file)
    });
    written.map_err(|error| {
        if let Err(stays) = disk.remove_file(path) {
            tracing::debug!("{} is left: {stays}", path.display());
        }
        StoreError::io(path, error)
    })
}

fn encode(sections: &[Section]) -> Result<Vec<u8>, StoreError> {
    let invalid = |error: &dyn std::fmt::Display| StoreError::InvalidData(format!("state cannot be stored: {error}"));
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(sections.len()).map_err(|e| invalid(&e))?.to_le_bytes());
    for section in sections {
        let mut payload = Vec::new();
        let mut writer = StreamWriter::try_new(&mut payload, section.batch.schema_ref()).map_err(|e| invalid(&e))?;
        writer.write(&section.batch).and_then(|()| writer.finish()).map_err(|e| invalid(&e))?;
        drop(writer);
        let header = SectionHeader {
            name: section.name.clone(),
            full: section.full,
            bytes: u32::try_from(payload.len()).map_err(|e| invalid(&e))?,
            checksum: crc32fast::hash(&payload),
        };
        let header = serde_json::to_vec(&header).map_err(|e| invalid(&e))?;
        bytes.extend_from_slice(&u32::try_from(header.len()).map_err(|e| invalid(&e))?.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&payload);
    }
    Ok(bytes)
}

/// Reads a snapshot back.
pub(crate) fn read(disk: &Arc<dyn Disk>, path: &Path) -> Result<Vec<Section>, StoreError> {
    let file = disk.open(path, OpenMode::Read).map_err(at(path))?;
    let mut bytes = vec![0; usize::try_from(file.len().map_err(at(path))?).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0).map_err(at(path))?;
    if bytes.get(..8) != Some(MAGIC) {
        return Err(StoreError::corrupt(path, 0, "this is not a snapshot"));
    }
    let version = number(&bytes, 8).unwrap_or(0);
    if version != VERSION {
        return Err(StoreError::UnknownFormat {
            file: path.to_owned(),
            found: version.to_string(),
            supported: VERSION,
        });
    }
    let mut position = HEADER;
    let mut sections = Vec::new();
    for _ in 0..number(&bytes, 12).unwrap_or(0) {
        let (section, next) = read_section(path, &bytes, position)?;
        sections.push(section);
        position = next;
    }
    if position != bytes.len() {
        return Err(StoreError::corrupt(path, position as u64, "there is more than the sections that are counted"));
    }
    Ok(sections)
}

fn read_section(path: &Path, bytes: &[u8], position: usize) -> Result<(Section, usize), StoreError> {
    let damaged = |problem: &str| StoreError::corrupt(path, position as u64, problem.to_owned());
    let len = number(bytes, position).ok_or_else(|| damaged("a section is cut off"))? as usize;
    let checksum = number(bytes, position + 4).ok_or_else(|| damaged("a section is cut off"))?;
    let start = position + 8;
    let header = bytes.get(start..start + len).ok_or_else(|| damaged("a section is cut off"))?;
    if crc32fast::hash(header) != checksum {
        return Err(damaged("a section header's checksum does not fit"));
    }
    let header: SectionHeader = serde_json::from_slice(header).map_err(|error| damaged(&error.to_string()))?;
    let from = start + len;
    let end = from + header.bytes as usize;
    let payload = bytes.get(from..end).ok_or_else(|| damaged("a section is cut off"))?;
    if crc32fast::hash(payload) != header.checksum {
        return Err(damaged("a section's checksum does not fit"));
    }
    let mut reader = StreamReader::try_new(Cursor::new(payload), None).map_err(|error| damaged(&error.to_string()))?;
    let batch = reader.next().transpose().map_err(|error| damaged(&error.to_string()))?;
    let batch = batch.unwrap_or_else(|| RecordBatch::new_empty(reader.schema()));
    Ok((Section { name: header.name, full: header.full, batch }, end))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map(u32::from_le_bytes)
}
