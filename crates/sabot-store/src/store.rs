//! A data directory: opened, recovered, written to, committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::error::at;
use crate::journal::{Change, Journal};
use crate::{
    CommitRecord, Disk, DiskLock, OutputEnd, PartitionReader, PartitionWriter, Section, StoreError, StreamSpec, Table,
    snapshot,
};

mod commit;
mod directory;
mod retention;
mod streams;
mod tables;

pub use commit::CommitStats;
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
    streams: RwLock<BTreeMap<String, Arc<streams::Stream>>>,
    commits: RwLock<BTreeMap<String, CommitRecord>>,
    tables: tables::Tables,
    committed: watch::Sender<u64>,
    snapshot_bytes: AtomicU64,
    _lock: Box<dyn DiskLock>,
}

impl Store {
    /// Opens a data directory, making it when it does not exist, and recovers what is committed.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let lock = directory::open(&disk, dir)?;
        let journal = Journal::open(Arc::clone(&disk), &dir.join("journal"), options.journal_bytes)?;
        let commits = records_of::<CommitRecord>(&journal, COMMIT)?.into_iter().collect();
        let store = Self {
            tables: tables::Tables::new(dir),
            dir: dir.to_owned(),
            options,
            streams: RwLock::new(streams::recover(&disk, dir, &journal)?),
            commits: RwLock::new(commits),
            journal: Mutex::new(journal),
            committed: watch::channel(0).0,
            snapshot_bytes: AtomicU64::new(0),
            _lock: lock,
            disk,
        };
        store.sweep()?;
        store.recover_tables()?;
        Ok(Arc::new(store))
    }

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

    /// Makes a stream. Nothing happens when it exists as it is wanted; another shape is a conflict.
    pub fn create_stream(&self, spec: StreamSpec) -> Result<(), StoreError> {
        let mut journal = self.journal();
        if let Ok(existing) = self.known(&spec.name) {
            return existing.check_same(&spec);
        }
        streams::check(&spec)?;
        let change = Change::put(streams::KIND, &spec.name, &streams::to_record(&spec))?;
        journal.append(vec![change])?;
        let stream = Arc::new(streams::Stream::new(spec));
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.insert(stream.spec.name.clone(), stream);
        Ok(())
    }

    /// Forgets a stream and removes its files.
    pub fn drop_stream(&self, name: &str) -> Result<(), StoreError> {
        let stream = self.known(name)?;
        let mut changes = vec![Change::delete(streams::KIND, name)];
        changes.extend(stream.partitions().map(|(number, _)| Change::delete(commit::END, &format!("{name}/{number}"))));
        self.journal().append(changes)?;
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
        self.dir.join("streams").join(name)
    }

    fn partition_dir(&self, name: &str, partition: u32) -> PathBuf {
        self.stream_dir(name).join(partition.to_string())
    }

    /// The one writer of a partition, at the committed end.
    pub fn writer(&self, stream: &str, partition: u32, owner: &str) -> Result<PartitionWriter, StoreError> {
        let known = self.known(stream)?;
        let state = known.partition(partition)?;
        let claim = Claim::take(&state, stream, partition, owner)?;
        Ok(PartitionWriter::new(
            Arc::clone(&self.disk),
            self.partition_dir(stream, partition),
            Arc::clone(&known.spec.schema),
            self.options.segment_bytes,
            state.committed().0,
            claim,
        ))
    }

    /// A reader of committed rows from an offset on.
    pub fn reader(&self, stream: &str, partition: u32, from: u64) -> Result<PartitionReader, StoreError> {
        let known = self.known(stream)?;
        let state = known.partition(partition)?;
        let dir = self.partition_dir(stream, partition);
        Ok(PartitionReader::new(Arc::clone(&self.disk), dir, Arc::clone(&known.spec.schema), state, from))
    }

    /// The newest record of a kind and key.
    pub fn get_record<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        let journal = self.journal();
        let value = journal.records().get(&(kind.to_owned(), key.to_owned()))?;
        serde_json::from_value(value.clone()).ok()
    }

    /// The newest records of a kind, by key.
    pub fn records<T: DeserializeOwned>(&self, kind: &str) -> Vec<(String, T)> {
        records_of(&self.journal(), kind).unwrap_or_default()
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

    /// Writes a snapshot; the commit that names it syncs the file and its directory.
    pub fn write_snapshot(
        &self,
        agent: &str,
        generation: u64,
        epoch: u64,
        sections: &[Section],
    ) -> Result<(String, Arc<dyn crate::DiskFile>, PathBuf), StoreError> {
        let dir = self.snapshot_dir(agent);
        self.disk.create_dir_all(&dir).map_err(at(&dir))?;
        let id = snapshot::id_of(generation, epoch);
        let file = snapshot::write(&self.disk, &snapshot::path_of(&dir, &id), sections)?;
        self.snapshot_bytes.fetch_add(file.len().unwrap_or(0), Ordering::Relaxed);
        Ok((id, file, dir))
    }

    /// Reads a snapshot back.
    pub fn read_snapshot(&self, agent: &str, id: &str) -> Result<Vec<Section>, StoreError> {
        snapshot::read(&self.disk, &snapshot::path_of(&self.snapshot_dir(agent), id))
    }

    /// Removes an agent's snapshots that are older than the newest needed one and not needed themselves.
    pub fn retain_snapshots(&self, agent: &str, live: &[String], up_to_epoch: (u64, u64)) -> Result<(), StoreError> {
        let dir = self.snapshot_dir(agent);
        let newest = snapshot::id_of(up_to_epoch.0, up_to_epoch.1);
        for name in self.disk.list(&dir).map_err(at(&dir))? {
            let id = name.trim_end_matches(".snap").to_owned();
            if id <= newest && !live.contains(&id) {
                let path = dir.join(&name);
                self.disk.remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    fn snapshot_dir(&self, agent: &str) -> PathBuf {
        // A name may hold a colon, which is no good in a directory; an underscore is doubled so that no two collide.
        self.dir.join("snapshots").join(agent.replace('_', "__").replace(':', "_."))
    }

    /// Disk used.
    pub fn disk_usage(&self) -> DiskUsage {
        let streams = self.all_streams();
        let tables = self.tables.all();
        DiskUsage {
            streams: streams.values().flat_map(|s| s.info().partitions).map(|p| p.bytes).sum(),
            journal: self.journal().bytes(),
            snapshots: self.snapshot_bytes.load(Ordering::Relaxed),
            tables: tables.iter().map(|table| table.bytes() as u64).sum(),
        }
    }

    /// Removes what no record names: it was never committed, or is no longer needed.
    fn sweep(&self) -> Result<(), StoreError> {
        for (agent, commit) in &*self.commits.read().unwrap_or_else(PoisonError::into_inner) {
            self.retain_snapshots(agent, &commit.snapshots, (u64::MAX, u64::MAX))?;
        }
        Ok(())
    }

    fn ends(&self, ends: &[OutputEnd]) -> Result<(), StoreError> {
        for end in ends {
            self.known(&end.stream)?.partition(end.partition)?.publish(end.clone());
        }
        Ok(())
    }

    /// A table by name.
    pub fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name)
    }
}

fn records_of<T: DeserializeOwned>(journal: &Journal, kind: &str) -> Result<Vec<(String, T)>, StoreError> {
    let of_kind = journal.records().iter().filter(|((k, _), _)| k == kind);
    of_kind
        .map(|((_, key), value)| {
            let value = serde_json::from_value(value.clone());
            let value =
                value.map_err(|error| StoreError::InvalidData(format!("{kind} \"{key}\" cannot be read: {error}")));
            Ok((key.clone(), value?))
        })
        .collect()
}
