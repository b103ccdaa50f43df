//! What waits on disk: one file per batch, so that what has been sent goes by removing a name.
//!
//! ```text
//! bytes 0..8   "SABOTEXQ"
//! byte  8      format version, 1
//! byte  9      signal: 0 spans, 1 metric points, 2 log records
//! bytes 10..14 CRC-32 of bytes 14..
//! bytes 14..22 items in the batch, little-endian
//! bytes 22..   the OTLP request
//! ```
//!
//! A file appears under its name complete or not at all. It is not synced: it survives the end of the process, however
//! that comes, and after a power cut what does not fit its checksum is left out and counted. A batch whose process ended
//! after it was sent and before its file was removed is sent twice.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

use super::batch::Batch;
use crate::config::Signal;

const MAGIC: &[u8; 8] = b"SABOTEXQ";
const VERSION: u8 = 1;
const CHECKED_FROM: usize = 14;
const HEADER: usize = 22;
/// Of most file systems.
const BLOCK: u64 = 4_096;
const EXTENSION: &str = "otlp";
const PARTIAL: &str = "partial";
const LOCK: &str = "lock";

/// Batches on disk, oldest first.
#[derive(Debug)]
pub(crate) struct Spill {
    dir: PathBuf,
    max_bytes: u64,
    entries: VecDeque<Entry>,
    bytes: u64,
    next: u64,
    _lock: File,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    signal: Signal,
    items: u64,
    /// What its file takes of the disk.
    room: u64,
}

/// A file that is not a whole batch.
#[derive(Debug)]
pub(crate) struct Damaged {
    /// Items it said it had; zero if it does not say.
    pub(crate) items: u64,
}

impl Spill {
    /// Opens the directory, which no other process may have open, and finds what an earlier one left in it.
    pub(crate) fn open(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock = File::create(dir.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let in_use = error == rustix::io::Errno::WOULDBLOCK;
            if in_use { io::Error::new(ErrorKind::WouldBlock, "another process uses it") } else { error.into() }
        })?;
        let mut spill =
            Self { dir: dir.to_owned(), max_bytes, entries: VecDeque::new(), bytes: 0, next: 1, _lock: lock };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            let Some(number) = number_of(&path).filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) else {
                continue;
            };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION) => spill.find(&path, number)?,
                Some(PARTIAL) => fs::remove_file(&path)?,
                _ => {}
            }
        }
        spill.entries.make_contiguous().sort_by_key(|entry| entry.number);
        spill.next = spill.entries.back().map_or(1, |last| last.number + 1);
        Ok(spill)
    }

    /// Takes in a file by its header; whether the rest is whole shows when it is read.
    fn find(&mut self, path: &Path, number: u64) -> io::Result<()> {
        let bytes = fs::metadata(path)?.len();
        let mut header = [0; HEADER];
        let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut header));
        let (signal, items) = read.ok().and_then(|()| describe(&header)).unwrap_or((Signal::Traces, 0));
        let entry = Entry { number, signal, items, room: room(bytes) };
        self.bytes += entry.room;
        self.entries.push_back(entry);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn items(&self) -> u64 {
        self.entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.items))
    }

    /// Whether another batch may be added.
    pub(crate) const fn has_room_for(&self, batch_bytes: u64) -> bool {
        self.bytes + room(HEADER as u64 + batch_bytes) <= self.max_bytes
    }

    /// Adds a batch behind the others.
    pub(crate) fn push(&mut self, batch: &Batch) -> io::Result<()> {
        let path = self.path(self.next);
        let partial = path.with_extension(PARTIAL);
        let bytes = encode(batch);
        if let Err(error) = fs::write(&partial, &bytes).and_then(|()| fs::rename(&partial, &path)) {
            // On a full disk the half of it takes room too. Where it cannot be removed, the next start does.
            drop(fs::remove_file(&partial));
            return Err(error);
        }
        let room = room(bytes.len() as u64);
        let entry = Entry { number: self.next, signal: batch.signal, items: batch.items, room };
        self.next += 1;
        self.bytes += entry.room;
        self.entries.push_back(entry);
        Ok(())
    }

    /// Reads the oldest batch, which stays until it is [removed](Self::pop).
    pub(crate) fn front(&self) -> Option<Result<Batch, Damaged>> {
        let entry = self.entries.front()?;
        let damaged = || Damaged { items: entry.items };
        let read = fs::read(self.path(entry.number)).ok().and_then(|bytes| decode(&bytes));
        Some(read.filter(|batch| batch.signal == entry.signal).ok_or_else(damaged))
    }

    /// Removes the oldest batch.
    pub(crate) fn pop(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes -= entry.room;
        let path = self.path(entry.number);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!("{}: not removed, and sent again after a restart: {error}", path.display());
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:016}.{EXTENSION}"))
    }
}

/// A file takes whole blocks of the disk.
const fn room(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

/// The number in a name of ours; other files are left alone.
fn number_of(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let is_ours = stem.len() == 16 && stem.bytes().all(|byte| byte.is_ascii_digit());
    stem.parse().ok().filter(|_| is_ours)
}

fn encode(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + batch.payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.push(
        Signal::ALL.iter().position(|signal| *signal == batch.signal).and_then(|at| u8::try_from(at).ok()).unwrap_or(0),
    );
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&batch.items.to_le_bytes());
    checksum.update(&batch.payload);
    bytes.extend_from_slice(&checksum.finalize().to_le_bytes());
    bytes.extend_from_slice(&batch.items.to_le_bytes());
    bytes.extend_from_slice(&batch.payload);
    bytes
}

/// Signal and items, if this is a header.
fn describe(bytes: &[u8]) -> Option<(Signal, u64)> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let [version, signal, ..] = *rest else { return None };
    let items = u64::from_le_bytes(bytes.get(CHECKED_FROM..HEADER)?.try_into().ok()?);
    let signal = Signal::ALL.get(usize::from(signal))?;
    (magic == MAGIC && version == VERSION).then_some((*signal, items))
}

fn decode(bytes: &[u8]) -> Option<Batch> {
    let (signal, items) = describe(bytes)?;
    let checksum = u32::from_le_bytes(bytes.get(10..CHECKED_FROM)?.try_into().ok()?);
    let payload = bytes.get(HEADER..)?;
    (crc32fast::hash(bytes.get(CHECKED_FROM..)?) == checksum).then(|| Batch {
        signal,
        items,
        payload: Bytes::copy_from_slice(payload),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;

    use super::Spill;
    use crate::config::Signal;
    use crate::export::batch::Batch;

    fn batch(items: u64) -> Batch {
        Batch { signal: Signal::Logs, items, payload: Bytes::from(vec![7; 100]) }
    }

    #[test]
    fn what_was_left_is_found_in_order_and_damage_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut spill = Spill::open(dir.path(), 10_000).expect("opened");
        (1..=3).for_each(|items| spill.push(&batch(items)).expect("added"));
        assert!(Spill::open(dir.path(), 10_000).is_err_and(|error| error.to_string() == "another process uses it"));
        spill.pop();
        drop(spill);
        fs::write(dir.path().join("0000000000000007.partial"), "half").expect("written");
        let mut spill = Spill::open(dir.path(), 10_000).expect("opened again");
        assert_eq!(spill.items(), 5);
        assert_eq!(spill.front().expect("a batch").expect("whole"), batch(2));
        let path = dir.path().join("0000000000000002.otlp");
        let mut bytes = fs::read(&path).expect("read");
        *bytes.last_mut().expect("bytes") ^= 1;
        fs::write(&path, bytes).expect("written");
        assert_eq!(spill.front().expect("a file").expect_err("damaged").items, 2);
        spill.pop();
        assert_eq!(spill.front().expect("a batch").expect("whole"), batch(3));
        spill.pop();
        assert!(spill.is_empty() && spill.front().is_none());
        spill.push(&batch(4)).expect("added");
        assert!(dir.path().join("0000000000000004.otlp").exists(), "numbers are not used twice");
        assert!(!dir.path().join("0000000000000007.partial").exists());
    }

    #[test]
    fn it_is_bounded_by_what_files_take_and_leaves_those_of_others_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("0000000000000009.partial")).expect("a directory");
        for foreign in ["5.otlp", "notes.partial", "18446744073709551615.otlp"] {
            fs::write(dir.path().join(foreign), "mine").expect("written");
        }
        let mut spill = Spill::open(dir.path(), 3 * 4_096).expect("opened");
        assert!(spill.is_empty());
        spill.push(&batch(1)).expect("added");
        assert!(spill.has_room_for(4_096) && !spill.has_room_for(2 * 4_096));
        spill.push(&batch(1)).expect("added");
        spill.push(&batch(1)).expect("added");
        assert!(!spill.has_room_for(0));
        assert!(dir.path().join("notes.partial").exists() && dir.path().join("5.otlp").exists());
    }
}
