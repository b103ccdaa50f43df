//! A data directory: opened, recovered, written to, committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::error::at;
use crate::journal::{Change, Journal, Records};
use crate::segment::{base_of, file_name};
use crate::{CommitRecord, Disk, DiskLock, OutputEnd, PartitionReader, PartitionWriter, StoreError, StreamSpec, Table};

mod commit;
mod directory;
mod retention;
mod snapshots;
mod streams;
mod tables;

use directory::STREAMS;
pub use directory::{is_data_dir, remove_data_dir};
pub use retention::RetentionStats;
pub(crate) use streams::{Claim, PartitionState};

/// How a store lays out its files.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Size after which a segment ends.
    pub segment_bytes: u64,
    /// Size after which the journal is rewritten.
    pub journal_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, journal_bytes: 8 << 20 }
    }
}

/// A stream as it stands.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// What it is.
    pub spec: Arc<StreamSpec>,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionInfo>,
    /// Its writer has finished; nothing will be added.
    pub finished: bool,
}

/// A partition as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Offset of the oldest row kept.
    pub earliest: u64,
    /// Offset behind the newest committed row.
    pub latest: u64,
    /// Bytes of its segments up to the committed end.
    pub bytes: u64,
}

/// Disk used, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Segments.
    pub streams: u64,
    /// The commit journal.
    pub journal: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Tables' rows.
    pub tables: u64,
}

const COMMIT: &str = "commit";

/// An open data directory.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: StoreOptions,
    journal: Mutex<Journal>,
    /// What the journal says, for those who need not wait for an append.
    records: Arc<Records>,
    streams: RwLock<BTreeMap<String, Arc<streams::Stream>>>,
    commits: RwLock<BTreeMap<String, CommitRecord>>,
    tables: tables::Tables,
    committed: watch::Sender<u64>,
    /// Counts openings of writers: none has the session of another, also not of a dropped stream of the same name.
    sessions: AtomicU64,
    /// Counts snapshots, so that none has the name of another that may still be committed.
    snapshots_written: AtomicU64,
    _lock: Box<dyn DiskLock>,
    /// Goes last: who waits for it finds the lock released.
    open: watch::Sender<()>,
}

impl Store {
    /// Opens a data directory, making it when it does not exist, and recovers what is committed.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let opened = directory::open(&disk, dir)?;
        let journal =
            Journal::open(Arc::clone(&disk), &dir.join(directory::JOURNAL), options.journal_bytes, opened.is_new)?;
        if opened.is_new {
            directory::complete(&disk, dir)?;
        }
        let records = Arc::clone(journal.records());
        let store = Self {
            tables: tables::Tables::new(dir),
            dir: dir.to_owned(),
            options,
            streams: RwLock::new(streams::recover(&disk, dir, &records)?),
            commits: RwLock::new(records.of_kind::<CommitRecord>(COMMIT)?.into_iter().collect()),
            journal: Mutex::new(journal),
            records,
            committed: watch::channel(0).0,
            sessions: AtomicU64::new(0),
            snapshots_written: AtomicU64::new(0),
            _lock: opened.lock,
            open: watch::channel(()).0,
            disk,
        };
        store.sweep()?;
        store.recover_tables()?;
        Ok(Arc::new(store))
    }

    /// Waits until the last user of the store has let go of it: nothing of it is open, and the directory is not locked.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut open = self.open.subscribe();
        async move { while open.changed().await.is_ok() {} }
    }

    /// Held while something is made durable; only for those who append themselves.
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_streams(&self) -> BTreeMap<String, Arc<streams::Stream>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn known(&self, name: &str) -> Result<Arc<streams::Stream>, StoreError> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(name).map(Arc::clone).ok_or_else(|| StoreError::NotFound(format!("stream \"{name}\"")))
    }

    /// The disk it is on.
    pub const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Makes a stream. One that exists as it is wanted takes the wanted retention; another shape is a conflict.
    pub fn create_stream(&self, spec: StreamSpec) -> Result<(), StoreError> {
        self.create_with(spec, Vec::new())
    }

    /// Whether [`Store::create_stream`] would take a stream; nothing happens.
    pub fn check_stream(&self, spec: &StreamSpec) -> Result<(), StoreError> {
        match self.known(&spec.name) {
            Ok(existing) => existing.check_same(spec),
            Err(_unknown) => streams::check(spec),
        }
    }

    /// Makes a stream and other changes at once; the changes also when the stream exists.
    fn create_with(&self, spec: StreamSpec, mut changes: Vec<Change>) -> Result<(), StoreError> {
        let mut journal = self.journal();
        self.check_stream(&spec)?;
        let existing = self.known(&spec.name).ok();
        if existing.as_ref().is_none_or(|existing| existing.spec.retention != spec.retention) {
            changes.push(Change::put(streams::KIND, &spec.name, &streams::to_record(&spec))?);
        }
        if changes.is_empty() {
            return Ok(());
        }
        journal.append(changes)?;
        self.insert(match existing {
            Some(existing) => existing.with_retention(spec.retention),
            None => streams::Stream::new(spec),
        });
        Ok(())
    }

    fn insert(&self, stream: streams::Stream) {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.insert(stream.spec.name.clone(), Arc::new(stream));
    }

    /// Forgets a stream and removes its files.
    pub fn drop_stream(&self, name: &str) -> Result<(), StoreError> {
        let mut journal = self.journal();
        let stream = self.known(name)?;
        // Its ends go with it: a stream of the same name starts at nothing.
        let of_partition = |(number, _)| {
            let key = streams::key_of(name, number);
            [Change::delete(commit::END, &key), Change::delete(retention::EARLIEST, &key)]
        };
        let changes = stream.partitions().flat_map(of_partition).chain([Change::delete(streams::KIND, name)]);
        journal.append_to_free(changes.collect())?;
        self.streams.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        let dir = self.stream_dir(name);
        self.disk.remove_dir_all(&dir).map_err(at(&dir))
    }

    /// A stream as it stands.
    pub fn stream(&self, name: &str) -> Option<StreamInfo> {
        self.known(name).ok().map(|stream| stream.info())
    }

    /// All streams, in the order of their names.
    pub fn streams(&self) -> Vec<StreamInfo> {
        self.all_streams().values().map(|stream| stream.info()).collect()
    }

    fn stream_dir(&self, name: &str) -> PathBuf {
        self.dir.join(STREAMS).join(name)
    }

    fn partition_dir(&self, name: &str, partition: u32) -> PathBuf {
        self.stream_dir(name).join(partition.to_string())
    }

    /// The one writer of a partition, at the committed end. What an earlier writer appended and no commit has named by
    /// now is gone, and its commits are refused.
    pub fn writer(&self, stream: &str, partition: u32, owner: &str) -> Result<PartitionWriter, StoreError> {
        let known = self.known(stream)?;
        let state = known.partition(partition)?;
        let dir = self.partition_dir(stream, partition);
        let (claim, end) = {
            // No commit may move the end between the look and the claim.
            let _held = state.hold();
            self.records.check()?;
            let session = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
            let claim = Claim::take(&state, stream, partition, owner, session)?;
            (claim, OutputEnd { session, ..state.committed().0 })
        };
        streams::remove_uncommitted(&self.disk, &dir, &end)?;
        let (disk, schema) = (Arc::clone(&self.disk), Arc::clone(&known.spec.schema));
        Ok(PartitionWriter::new(disk, dir, schema, self.options.segment_bytes, end, claim))
    }

    /// A reader of committed rows from an offset on.
    pub fn reader(&self, stream: &str, partition: u32, from: u64) -> Result<PartitionReader, StoreError> {
        let known = self.known(stream)?;
        let state = known.partition(partition)?;
        let dir = self.partition_dir(stream, partition);
        Ok(PartitionReader::new(Arc::clone(&self.disk), dir, Arc::clone(&known.spec.schema), state, from))
    }

    /// The newest record of a kind and key, which must be what is asked for. Never waits for the disk.
    pub fn get_record<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Result<Option<T>, StoreError> {
        self.records.get(kind, key)
    }

    /// The newest records of a kind, by key; all must be what is asked for. Never waits for the disk.
    pub fn records<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StoreError> {
        self.records.of_kind(kind)
    }

    /// Makes a record durable.
    pub fn put_record<T: Serialize>(&self, kind: &str, key: &str, value: &T) -> Result<(), StoreError> {
        self.journal().append(vec![Change::put(kind, key, value)?])
    }

    /// Makes a record's absence durable.
    pub fn delete_record(&self, kind: &str, key: &str) -> Result<(), StoreError> {
        self.journal().append(vec![Change::delete(kind, key)])
    }

    /// An agent's last commit.
    pub fn last_commit(&self, agent: &str) -> Option<CommitRecord> {
        self.commits.read().unwrap_or_else(PoisonError::into_inner).get(agent).cloned()
    }

    /// Ticks with every commit group.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Disk used.
    pub fn disk_usage(&self) -> DiskUsage {
        let streams = self.all_streams();
        let tables = self.tables.all();
        DiskUsage {
            streams: streams.values().flat_map(|s| s.info().partitions).map(|p| p.bytes).sum(),
            journal: self.records.bytes(),
            snapshots: self.snapshot_bytes(),
            tables: tables.iter().map(|table| table.bytes() as u64).sum(),
        }
    }

    /// Removes what no record names: it was never committed, or is no longer needed.
    fn sweep(&self) -> Result<(), StoreError> {
        self.sweep_snapshots()?;
        self.remove_unknown(&self.dir.join(STREAMS), &self.all_streams().into_keys().collect())
    }

    fn remove_unknown(&self, dir: &Path, known: &BTreeSet<String>) -> Result<(), StoreError> {
        for name in self.disk.list(dir).map_err(at(dir))?.iter().filter(|name| !known.contains(*name)) {
            let path = dir.join(name);
            if let Err(error) = self.disk.remove_dir_all(&path) {
                tracing::warn!("{} belongs to nothing and stays: {error}", path.display());
            }
        }
        Ok(())
    }

    /// Bytes of the segments from one end's on that are complete at a later end.
    fn bytes_between(&self, from: &OutputEnd, to: &OutputEnd) -> u64 {
        if from.segment == to.segment {
            return 0;
        }
        let dir = self.partition_dir(&to.stream, to.partition);
        let bases = self.disk.list(&dir).unwrap_or_default();
        let rolled =
            bases.iter().filter_map(|name| base_of(name)).filter(|base| (from.segment..to.segment).contains(base));
        // The commit is durable: a length that cannot be read must not fail it.
        rolled.filter_map(|base| streams::len_of(&self.disk, &dir.join(file_name(base))).ok()).sum()
    }

    /// A table by name.
    pub fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name)
    }
}
