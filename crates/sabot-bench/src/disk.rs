//! The machine's disk, with what is written and synced counted.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sabot_store::{Disk, DiskFile, DiskLock, OpenMode, RealDisk};

/// What went to the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Bytes of segments.
    pub(crate) data_bytes: u64,
    /// Bytes of the commit journal.
    pub(crate) journal_bytes: u64,
    /// Bytes of snapshots.
    pub(crate) snapshot_bytes: u64,
    /// Files and directories synced.
    pub(crate) syncs: u64,
    /// Rounds of syncs: one begins when a sync starts and no other is under way, so this is how many have to be waited
    /// for one after another.
    pub(crate) rounds: u64,
}

impl Written {
    /// All bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.data_bytes + self.journal_bytes + self.snapshot_bytes
    }

    /// What was written after `earlier`.
    pub(crate) const fn since(&self, earlier: &Self) -> Self {
        Self {
            data_bytes: self.data_bytes - earlier.data_bytes,
            journal_bytes: self.journal_bytes - earlier.journal_bytes,
            snapshot_bytes: self.snapshot_bytes - earlier.snapshot_bytes,
            syncs: self.syncs - earlier.syncs,
            rounds: self.rounds - earlier.rounds,
        }
    }
}

/// What a file is for, by the directory it is in.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Data,
    Journal,
    Snapshot,
}

impl Kind {
    fn of(path: &Path) -> Self {
        let within = |name: &str| path.components().any(|part| part.as_os_str() == name);
        if within("snapshots") {
            Self::Snapshot
        } else if within("journal") {
            Self::Journal
        } else {
            Self::Data
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    data_bytes: AtomicU64,
    journal_bytes: AtomicU64,
    snapshot_bytes: AtomicU64,
    syncs: AtomicU64,
    rounds: AtomicU64,
    syncing: AtomicU64,
}

impl Counters {
    fn wrote(&self, kind: Kind, bytes: usize) {
        let counter = match kind {
            Kind::Data => &self.data_bytes,
            Kind::Journal => &self.journal_bytes,
            Kind::Snapshot => &self.snapshot_bytes,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.syncing.fetch_add(1, Ordering::SeqCst) == 0 {
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
        let outcome = sync();
        self.syncing.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

/// The machine's disk.
#[derive(Debug, Default)]
pub(crate) struct CountingDisk {
    counters: Arc<Counters>,
}

impl CountingDisk {
    /// What has been written so far.
    pub(crate) fn written(&self) -> Written {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Written {
            data_bytes: read(&self.counters.data_bytes),
            journal_bytes: read(&self.counters.journal_bytes),
            snapshot_bytes: read(&self.counters.snapshot_bytes),
            syncs: read(&self.counters.syncs),
            rounds: read(&self.counters.rounds),
        }
    }
}

impl Disk for CountingDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let (inner, counters) = (RealDisk.open(path, mode)?, Arc::clone(&self.counters));
        Ok(Arc::new(CountingFile { inner, kind: Kind::of(path), counters }))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counters.sync(|| RealDisk.sync_dir(dir))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        RealDisk.lock(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn DiskFile>,
    kind: Kind,
    counters: Arc<Counters>,
}

impl DiskFile for CountingFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.counters.wrote(self.kind, bytes.len());
        self.inner.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counters.sync(|| self.inner.sync_data())
    }
}

#[cfg(test)]
mod tests {
    use sabot_store::{Disk, OpenMode};

    use super::CountingDisk;

    #[test]
    fn bytes_are_counted_by_kind_and_syncs_one_after_another_are_rounds() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = CountingDisk::default();
        for (place, bytes) in [("streams", 3), ("journal", 5), ("snapshots", 7)] {
            let path = dir.path().join(place);
            disk.create_dir_all(&path).expect("a directory");
            let file = disk.open(&path.join("file"), OpenMode::Create).expect("a file");
            file.write_all_at(&vec![0; bytes], 0).expect("a write");
            file.sync_data().expect("a sync");
        }
        let earlier = disk.written();
        assert_eq!((earlier.data_bytes, earlier.journal_bytes, earlier.snapshot_bytes), (3, 5, 7));
        assert_eq!((earlier.syncs, earlier.rounds), (3, 3));
        disk.sync_dir(dir.path()).expect("a sync");
        assert_eq!(disk.written().since(&earlier).rounds, 1);
        let together = |_: usize| disk.counters.sync(|| disk.sync_dir(dir.path()));
        together(0).expect("a sync within a sync");
        assert_eq!((disk.written().since(&earlier).syncs, disk.written().since(&earlier).rounds), (3, 2));
    }
}
