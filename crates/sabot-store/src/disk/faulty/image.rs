//! What a disk holds: names and bytes as programs see them, and what of both a power cut would leave.
//!
//! Invariant: whatever was synced survives. Of what was not, each directory keeps a prefix of its changes (file systems
//! order them), and each file any subset of its writes, some of them in part.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    File(u64),
    Dir,
}

/// Changes to the names of one directory that happen together; a name without an entry goes.
#[derive(Clone, Debug)]
struct NameChange {
    dir: PathBuf,
    effects: Vec<(PathBuf, Option<Entry>)>,
}

/// All names, by full path.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    /// Not synced yet, oldest first.
    pending: Vec<NameChange>,
}

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Not synced yet, oldest first.
    pending: Vec<ByteChange>,
}

#[derive(Clone, Debug)]
enum ByteChange {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

/// The directory a name is in; the root is the empty path.
fn parent(path: &Path) -> PathBuf {
    path.parent().map(normal).unwrap_or_default()
}

fn normal(dir: &Path) -> PathBuf {
    if dir == Path::new("/") || dir == Path::new(".") { PathBuf::new() } else { dir.to_owned() }
}

fn apply(names: &mut BTreeMap<PathBuf, Entry>, change: &NameChange) {
    for (path, entry) in &change.effects {
        match entry {
            Some(entry) => names.insert(path.clone(), *entry),
            None => names.remove(path),
        };
    }
}

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<Entry> {
        self.seen.get(path).copied()
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<u64> {
        match self.get(path) {
            Some(Entry::File(file)) => Ok(file),
            Some(Entry::Dir) => Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory")),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, u64)> {
        self.seen.iter().filter_map(|(path, entry)| match entry {
            Entry::File(file) => Some((path, *file)),
            Entry::Dir => None,
        })
    }

    pub(super) fn inside(&self, dir: &Path) -> impl Iterator<Item = &PathBuf> {
        let dir = normal(dir);
        self.seen.keys().filter(move |path| parent(path) == dir)
    }

    pub(super) fn check_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = normal(dir);
        let there = dir.as_os_str().is_empty() || self.get(&dir) == Some(Entry::Dir);
        if there { Ok(()) } else { Err(io::Error::new(io::ErrorKind::NotFound, "no such directory")) }
    }

    fn change(&mut self, dir: PathBuf, effects: Vec<(PathBuf, Option<Entry>)>) {
        let change = NameChange { dir, effects };
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    pub(super) fn add(&mut self, path: &Path, entry: Entry) -> io::Result<()> {
        let dir = parent(path);
        self.check_dir(&dir)?;
        self.change(dir, vec![(path.to_owned(), Some(entry))]);
        Ok(())
    }

    pub(super) fn add_dirs(&mut self, dir: &Path) -> io::Result<()> {
        let mut above: Vec<&Path> = dir.ancestors().filter(|dir| !normal(dir).as_os_str().is_empty()).collect();
        above.reverse();
        for path in above {
            if self.get(path).is_none() {
                self.add(path, Entry::Dir)?;
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(parent(path), vec![(path.to_owned(), None)]);
    }

    /// Removes a directory from the inside out, as the operating system's own does.
    pub(super) fn remove_all(&mut self, dir: &Path) {
        let inside: Vec<PathBuf> = self.seen.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        inside.iter().rev().for_each(|path| self.remove(path));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let entry = Entry::File(self.file(from)?);
        self.change(parent(to), vec![(from.to_owned(), None), (to.to_owned(), Some(entry))]);
        Ok(())
    }

    pub(super) fn sync(&mut self, dir: &Path) -> io::Result<()> {
        self.check_dir(dir)?;
        let dir = normal(dir);
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition(|change| change.dir == dir);
        self.pending = pending;
        let synced: Vec<NameChange> = synced;
        for change in &synced {
            apply(&mut self.durable, change);
        }
        Ok(())
    }

    /// The names a power cut leaves.
    pub(super) fn survivors(&self, random: &mut Random) -> Self {
        let mut names = self.durable.clone();
        let mut changed: Vec<&PathBuf> = self.pending.iter().map(|change| &change.dir).collect();
        changed.sort();
        changed.dedup();
        for dir in changed {
            let changes: Vec<&NameChange> = self.pending.iter().filter(|change| change.dir == *dir).collect();
            let kept = random.below(changes.len() + 1);
            changes.into_iter().take(kept).for_each(|change| apply(&mut names, change));
        }
        // What is in a directory that is gone cannot be reached.
        let dirs: Vec<PathBuf> =
            names.iter().filter(|(_, e)| **e == Entry::Dir).map(|(path, _)| path.clone()).collect();
        let reached = |path: &Path| {
            let above = path.ancestors().skip(1).map(normal).filter(|dir| !dir.as_os_str().is_empty());
            above.into_iter().all(|dir| dirs.binary_search(&dir).is_ok())
        };
        names.retain(|path, _| reached(path));
        Self { seen: names.clone(), durable: names, pending: Vec::new() }
    }
}

impl ByteChange {
    /// Applies it, of a write only the first `limit` bytes.
    fn apply(&self, bytes: &mut Vec<u8>, limit: usize) {
        match self {
            Self::SetLen(len) => bytes.resize(*len, 0),
            Self::Write(start, data) => {
                let kept = data.get(..limit.min(data.len())).unwrap_or_default();
                let end = start + kept.len();
                if !kept.is_empty() && bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*start..end) {
                    place.copy_from_slice(kept);
                }
            }
        }
    }
}

impl Contents {
    fn change(&mut self, change: ByteChange) {
        change.apply(&mut self.seen, usize::MAX);
        self.pending.push(change);
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(ByteChange::Write(offset, bytes.to_vec()));
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.change(ByteChange::SetLen(len));
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable, usize::MAX);
        }
    }

    /// The bytes a power cut leaves.
    pub(super) fn survivor(&self, random: &mut Random) -> Self {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match (change, random.below(3)) {
                (_, 0) => {}
                (ByteChange::Write(_, data), 1) => change.apply(&mut bytes, random.below(data.len() + 1)),
                _ => change.apply(&mut bytes, usize::MAX),
            }
        }
        Self { seen: bytes.clone(), durable: bytes, pending: Vec::new() }
    }
}

/// `SplitMix64`: small, and the same everywhere.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}
