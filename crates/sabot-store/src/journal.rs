//! The commit journal: keyed records, the newest of each key counts.
//!
//! A file holds a header and entries, each with its length and checksum. An entry is all the changes of one append, so
//! that a torn append leaves all of them or none. A tail that does not fit was never acknowledged and is cut off;
//! anything that does not fit before a good entry is damage. When the file has grown well
//! past what counts, the newest records are written to the next file, which takes over when its name is durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::at;
use crate::{Disk, DiskFile, OpenMode, StoreError};

const MAGIC: &[u8; 8] = b"SABOTJNL";
/// Version of the journal format.
pub(crate) const VERSION: u32 = 1;
const HEADER: u64 = 16;
const ENTRY_HEADER: usize = 8;
/// Largest entry; a larger length is damage.
const MAX_ENTRY: u32 = 64 << 20;
/// Preallocated ahead of the end, so that a sync need not write the file's length.
const ALLOCATION: u64 = 1 << 20;

/// A key: what kind of thing, and its name.
pub(crate) type Key = (String, String);

/// A change to one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) kind: String,
    pub(crate) key: String,
    /// None deletes.
    pub(crate) value: Option<Value>,
}

impl Change {
    pub(crate) fn put<T: Serialize>(kind: &str, key: &str, value: &T) -> Result<Self, StoreError> {
        let value = serde_json::to_value(value)
            .map_err(|error| StoreError::InvalidData(format!("{kind} \"{key}\" cannot be stored: {error}")))?;
        Ok(Self { kind: kind.to_owned(), key: key.to_owned(), value: Some(value) })
    }

    pub(crate) fn delete(kind: &str, key: &str) -> Self {
        Self { kind: kind.to_owned(), key: key.to_owned(), value: None }
    }
}

/// The journal and what counts in it.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    number: u64,
    file: Arc<dyn DiskFile>,
    end: u64,
    allocated: u64,
    records: BTreeMap<Key, Value>,
    /// Size after which the file is rewritten.
    rewrite_at: u64,
    rewrite_bytes: u64,
}

impl Journal {
    /// Opens the newest journal file, or makes the first.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, rewrite_bytes: u64) -> Result<Self, StoreError> {
        disk.create_dir_all(dir).map_err(at(dir))?;
        let numbers: Vec<u64> = disk.list(dir).map_err(at(dir))?.iter().filter_map(|name| number_of(name)).collect();
        let newest = numbers.iter().max().copied();
        let mut journal = match newest {
            Some(number) => Self::read(disk, dir, number, rewrite_bytes)?,
            None => Self::create(disk, dir, 1, BTreeMap::new(), rewrite_bytes)?,
        };
        for older in numbers.into_iter().filter(|number| Some(*number) != newest) {
            let path = journal.path(older);
            journal.remove(&path)?;
        }
        // A rewrite that did not finish.
        for name in journal.disk.list(dir).map_err(at(dir))?.iter().filter(|name| name.ends_with(".partial")) {
            journal.remove(&dir.join(name))?;
        }
        journal.rewrite_at = journal.rewrite_at.max(journal.end.saturating_mul(2));
        Ok(journal)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(file_name(number))
    }

    fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.remove_file(path).map_err(at(path))
    }

    /// The newest value of every key.
    pub(crate) const fn records(&self) -> &BTreeMap<Key, Value> {
        &self.records
    }

    /// Bytes in use.
    pub(crate) const fn bytes(&self) -> u64 {
        self.end
    }

    /// Makes changes durable, in order, with one sync. On failure none of them counts and the call can be made again.
    pub(crate) fn append(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        encode(&changes, &mut bytes)?;
        let path = self.path(self.number);
        let end = self.end + bytes.len() as u64;
        if end > self.allocated {
            let wanted = end.next_multiple_of(ALLOCATION);
            self.file.allocate(wanted).map_err(at(&path))?;
            self.allocated = wanted;
        }
        self.file.write_all_at(&bytes, self.end).map_err(at(&path))?;
        self.file.sync_data().map_err(at(&path))?;
        self.end = end;
        apply(&mut self.records, changes);
        if self.end > self.rewrite_at {
            self.rewrite()?;
        }
        Ok(())
    }

    /// Goes on in a new file that holds only what counts.
    fn rewrite(&mut self) -> Result<(), StoreError> {
        let records = std::mem::take(&mut self.records);
        let (disk, dir) = (Arc::clone(&self.disk), self.dir.clone());
        match Self::create(disk, &dir, self.number + 1, records.clone(), self.rewrite_bytes) {
            Ok(next) => {
                let old = self.path(self.number);
                *self = next;
                self.remove(&old)
            }
            Err(error) => {
                // The old file is still good; try again when it has grown as much once more.
                self.records = records;
                self.rewrite_at = self.end.saturating_mul(2);
                tracing::warn!("the journal could not be rewritten: {error}");
                Ok(())
            }
        }
    }

    fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        number: u64,
        records: BTreeMap<Key, Value>,
        rewrite_bytes: u64,
    ) -> Result<Self, StoreError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for ((kind, key), value) in &records {
            let change = Change { kind: kind.clone(), key: key.clone(), value: Some(value.clone()) };
            encode(std::slice::from_ref(&change), &mut bytes)?;
        }
        let partial = dir.join(format!("{}.partial", file_name(number)));
        let path = dir.join(file_name(number));
        let file = disk.open(&partial, OpenMode::Create).map_err(at(&partial))?;
        file.set_len(0).map_err(at(&partial))?;
        file.write_all_at(&bytes, 0).map_err(at(&partial))?;
        file.sync_data().map_err(at(&partial))?;
        disk.rename(&partial, &path).map_err(at(&path))?;
        disk.sync_dir(dir).map_err(at(dir))?;
        let end = bytes.len() as u64;
        let rewrite_at = rewrite_bytes.max(end.saturating_mul(2));
        Ok(Self { disk, dir: dir.to_owned(), number, file, end, allocated: end, records, rewrite_at, rewrite_bytes })
    }

    fn read(disk: Arc<dyn Disk>, dir: &Path, number: u64, rewrite_bytes: u64) -> Result<Self, StoreError> {
        let path = dir.join(file_name(number));
        let file = disk.open(&path, OpenMode::ReadWrite).map_err(at(&path))?;
        let len = file.len().map_err(at(&path))?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map_err(at(&path))?;
        check_header(&path, &bytes)?;
        let mut records = BTreeMap::new();
        let mut end = HEADER;
        while let Some((changes, next)) = decode(&bytes, end) {
            apply(&mut records, changes);
            end = next;
        }
        if let Some(good) = entry_after(&bytes, end) {
            let problem = format!("an entry does not fit its checksum, and a good one follows at byte {good}");
            return Err(StoreError::corrupt(&path, end, problem));
        }
        // What lies behind the end was never acknowledged; it must not be taken for a record later.
        file.set_len(end).map_err(at(&path))?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            number,
            file,
            end,
            allocated: end,
            records,
            rewrite_at: rewrite_bytes,
            rewrite_bytes,
        })
    }
}

fn apply(records: &mut BTreeMap<Key, Value>, changes: Vec<Change>) {
    for change in changes {
        let key = (change.kind, change.key);
        match change.value {
            Some(value) => records.insert(key, value),
            None => records.remove(&key),
        };
    }
}

fn encode(changes: &[Change], bytes: &mut Vec<u8>) -> Result<(), StoreError> {
    let invalid = |error: &dyn std::fmt::Display| {
        let what = changes.first().map_or("nothing", |change| change.key.as_str());
        StoreError::InvalidData(format!("the record of \"{what}\" cannot be stored: {error}"))
    };
    let text = serde_json::to_vec(changes).map_err(|error| invalid(&error))?;
    let len = u32::try_from(text.len()).ok().filter(|len| *len <= MAX_ENTRY).ok_or_else(|| invalid(&"too large"))?;
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&text).to_le_bytes());
    bytes.extend_from_slice(&text);
    Ok(())
}

/// The good entry at a position, and where the next one is.
fn decode(bytes: &[u8], position: u64) -> Option<(Vec<Change>, u64)> {
    let start = usize::try_from(position).ok()?;
    let header = bytes.get(start..start + ENTRY_HEADER)?;
    let len = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
    if len == 0 || len > MAX_ENTRY {
        return None;
    }
    let checksum = u32::from_le_bytes(header.get(4..)?.try_into().ok()?);
    let end = start + ENTRY_HEADER + len as usize;
    let text = bytes.get(start + ENTRY_HEADER..end)?;
    if crc32fast::hash(text) != checksum {
        return None;
    }
    Some((serde_json::from_slice(text).ok()?, end as u64))
}

/// Where a good entry starts behind a position that holds none: only damage leaves one there.
fn entry_after(bytes: &[u8], position: u64) -> Option<u64> {
    let rest = bytes.get(usize::try_from(position).ok()?..)?;
    // Entries start with their length and checksum, then the `[{` of their changes.
    let starts = rest.windows(2).enumerate().filter(|(_, pair)| *pair == b"[{").map(|(at, _)| at);
    starts
        .filter_map(|at| at.checked_sub(ENTRY_HEADER))
        .map(|at| position + at as u64)
        .find(|start| *start > position && decode(bytes, *start).is_some())
}

fn check_header(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.get(..8) != Some(MAGIC) {
        return Err(StoreError::corrupt(path, 0, "this is not a journal"));
    }
    let version = bytes.get(8..12).and_then(|v| v.try_into().ok()).map_or(0, u32::from_le_bytes);
    if version != VERSION {
        return Err(StoreError::UnknownFormat {
            file: path.to_owned(),
            found: version.to_string(),
            supported: VERSION,
        });
    }
    Ok(())
}

fn file_name(number: u64) -> String {
    format!("{number:010}.log")
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}
