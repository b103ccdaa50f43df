//! The commit journal: keyed records, the newest of each key counts.
//!
//! A file holds a header and entries, each with its length and checksum. An entry is all the changes of one append, so
//! that a torn append leaves all of them or none. A tail that does not fit was never acknowledged and is cut off;
//! anything that does not fit before a good entry is damage. When the file has grown well past what counts, the newest
//! records are written to the next file, which takes over when its name is durable.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{at, is_full};
use crate::{Disk, DiskFile, OpenMode, StoreError};

mod records;

pub(crate) use records::Records;
use records::apply;

const MAGIC: &[u8; 8] = b"SABOTJNL";
/// Ending of a file that is not complete.
const PARTIAL: &str = ".partial";
/// Version of the journal format.
pub(crate) const VERSION: u32 = 1;
const HEADER: usize = 16;
const ENTRY_HEADER: usize = 8;
/// Largest entry; a larger length is damage.
const MAX_ENTRY: u32 = 64 << 20;
/// Preallocated ahead of the end, so that a sync need not write the file's length.
const ALLOCATION: u64 = 1 << 20;
/// Kept back for entries after which files can go: on a full disk they are what makes room.
const RESERVE: u64 = 4 << 10;

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
    records: Arc<Records>,
    /// Size after which the file is rewritten.
    rewrite_at: u64,
    rewrite_bytes: u64,
}

impl Journal {
    /// Opens the newest journal file, or makes the first, which `is_new` allows.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, rewrite_bytes: u64, is_new: bool) -> Result<Self, StoreError> {
        disk.create_dir_all(dir).map_err(at(dir))?;
        let names = disk.list(dir).map_err(at(dir))?;
        let numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        let newest = numbers.iter().max().copied();
        let journal = match newest {
            Some(number) => Self::read(disk, dir, number, rewrite_bytes)?,
            None if is_new => {
                let first = Self::create(disk, dir, 1, Arc::default(), rewrite_bytes)?;
                first.disk.sync_dir(dir).map_err(at(dir))?;
                first.records.set_bytes(first.end);
                first
            }
            None => return Err(StoreError::corrupt(&dir.join(file_name(1)), 0, "the journal is missing")),
        };
        // Replaced by the newest, or a rewrite that did not finish.
        let older = numbers.into_iter().filter(|number| Some(*number) != newest).map(file_name);
        let partial = names.into_iter().filter(|name| name.ends_with(PARTIAL));
        for path in older.chain(partial).map(|name| dir.join(name)) {
            match journal.disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&path, error)),
                _ => {}
            }
        }
        Ok(journal)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(file_name(number))
    }

    /// The newest value of every key.
    pub(crate) const fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Makes changes durable, all or none, with one sync. When the disk is full nothing has happened and the call can
    /// be made again; after a failed sync no call is taken any more.
    pub(crate) fn append(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.write(changes, RESERVE)
    }

    /// Like [`Journal::append`], for changes after which files are removed: takes of the room that is kept back.
    pub(crate) fn append_to_free(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        self.write(changes, 0)
    }

    fn write(&mut self, changes: Vec<Change>, kept_back: u64) -> Result<(), StoreError> {
        self.records.check()?;
        let mut bytes = Vec::new();
        encode(&changes, &mut bytes)?;
        let path = self.path(self.number);
        let end = self.end + bytes.len() as u64;
        self.allocate(end + kept_back)?;
        self.file.write_all_at(&bytes, self.end).map_err(at(&path))?;
        if let Err(error) = self.file.sync_data() {
            return Err(self.records.stop(path, &error));
        }
        self.end = end;
        self.records.show(changes, end);
        if self.end > self.rewrite_at {
            self.rewrite();
        }
        Ok(())
    }

    fn allocate(&mut self, needed: u64) -> Result<(), StoreError> {
        if needed <= self.allocated {
            return Ok(());
        }
        let path = self.path(self.number);
        let wanted = needed.next_multiple_of(ALLOCATION);
        self.allocated = match self.file.allocate(wanted) {
            // Not enough room to be generous; the entry itself may still fit.
            Err(error) if is_full(&error) => {
                self.file.allocate(needed).map_err(at(&path))?;
                needed
            }
            outcome => outcome.map(|()| wanted).map_err(at(&path))?,
        };
        Ok(())
    }

    /// Goes on in a new file that holds only what counts. What has been appended is durable whatever happens here.
    fn rewrite(&mut self) {
        let (disk, records, number) = (Arc::clone(&self.disk), Arc::clone(&self.records), self.number + 1);
        let next = match Self::create(disk, &self.dir, number, records, self.rewrite_bytes) {
            Ok(next) => next,
            Err(error) => {
                // The old file is still good; try again when it has grown as much once more.
                self.rewrite_at = self.end.saturating_mul(2);
                tracing::warn!("the journal could not be rewritten: {error}");
                return;
            }
        };
        let old = self.path(self.number);
        if let Err(error) = self.disk.sync_dir(&self.dir) {
            // Which of the two files the next open finds is unknown, so that neither may grow.
            tracing::error!("{}", self.records.stop(old, &error));
            return;
        }
        *self = next;
        self.records.set_bytes(self.end);
        if let Err(error) = self.disk.remove_file(&old) {
            tracing::warn!("{}: a replaced journal stays until the next start: {error}", old.display());
        }
    }

    /// Writes a journal with these records. Its name is not durable yet.
    fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        number: u64,
        records: Arc<Records>,
        rewrite_bytes: u64,
    ) -> Result<Self, StoreError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        records.encode(&mut bytes)?;
        let partial = dir.join(format!("{}{PARTIAL}", file_name(number)));
        let path = dir.join(file_name(number));
        let file = disk.open(&partial, OpenMode::Create).map_err(at(&partial))?;
        file.set_len(0).map_err(at(&partial))?;
        file.write_all_at(&bytes, 0).map_err(at(&partial))?;
        file.sync_data().map_err(at(&partial))?;
        disk.rename(&partial, &path).map_err(at(&path))?;
        let end = bytes.len() as u64;
        Ok(Self::new(disk, dir, number, file, end, end, records, rewrite_bytes))
    }

    #[expect(clippy::too_many_arguments, reason = "the one place that puts the parts together")]
    fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        number: u64,
        file: Arc<dyn DiskFile>,
        end: u64,
        live_bytes: u64,
        records: Arc<Records>,
        rewrite_bytes: u64,
    ) -> Self {
        let rewrite_at = rewrite_bytes.max(live_bytes.saturating_mul(2));
        // Where there is no room for it now, the next append that needs it says so.
        let allocated = if file.allocate(end + RESERVE).is_ok() { end + RESERVE } else { end };
        let dir = dir.to_owned();
        Self { disk, dir, number, file, end, allocated, records, rewrite_at, rewrite_bytes }
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
        while let Some(text) = entry_at(&bytes, end) {
            let changes = serde_json::from_slice(text)
                .map_err(|error| StoreError::corrupt(&path, end as u64, format!("an entry cannot be read: {error}")))?;
            apply(&mut records, changes);
            end += ENTRY_HEADER + text.len();
        }
        // An entry is on its way only when all before it are durable: a good one behind a bad one means damage.
        // It cannot start in the zeros of the spare room.
        let used = without_zeros(&bytes).len();
        if let Some(next) = (end + 1..used).find(|place| entry_at(&bytes, *place).is_some()) {
            let problem = format!("an entry does not fit its checksum, and a good one follows at byte {next}");
            return Err(StoreError::corrupt(&path, end as u64, problem));
        }
        // What lies behind the end was never acknowledged; it must not be taken for an entry later.
        let end = end as u64;
        file.set_len(end).map_err(at(&path))?;
        let records = Arc::new(Records::new(records));
        records.set_bytes(end);
        let mut live = Vec::new();
        records.encode(&mut live)?;
        Ok(Self::new(disk, dir, number, file, end, live.len() as u64, records, rewrite_bytes))
    }
}

/// One entry with all of the changes.
fn encode(changes: &[Change], bytes: &mut Vec<u8>) -> Result<(), StoreError> {
    let invalid = |error: &dyn std::fmt::Display| {
        let of = changes.first().map(|change| format!("{} \"{}\"", change.kind, change.key)).unwrap_or_default();
        StoreError::InvalidData(format!("{of} cannot be stored: {error}"))
    };
    let text = serde_json::to_vec(changes).map_err(|error| invalid(&error))?;
    let len = u32::try_from(text.len()).ok().filter(|len| *len <= MAX_ENTRY);
    let len = len.ok_or_else(|| invalid(&format!("{} bytes, an entry holds {MAX_ENTRY}", text.len())))?;
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&text).to_le_bytes());
    bytes.extend_from_slice(&text);
    Ok(())
}

/// The bytes before the zeros at the end, but for some.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let empty = bytes.rchunks(ZEROS.len()).take_while(|block| ZEROS.starts_with(block));
    let zeros: usize = empty.map(<[u8]>::len).sum();
    bytes.get(..bytes.len() - zeros).unwrap_or_default()
}

/// The text of the entry that starts at a place, if there is one and it is whole.
///
/// Looking for one at every byte is cheap: text has no byte below a space, so that four of its bytes, or four zeros,
/// are never a possible length.
fn entry_at(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let header = bytes.get(start..start + ENTRY_HEADER)?;
    let len = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
    if len == 0 || len > MAX_ENTRY {
        return None;
    }
    let checksum = u32::from_le_bytes(header.get(4..)?.try_into().ok()?);
    let text = bytes.get(start + ENTRY_HEADER..)?.get(..len as usize)?;
    (crc32fast::hash(text) == checksum).then_some(text)
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
