//! A data directory: opened, recovered, written to, committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::error::at;
use crate::journal::{Change, Journal};
use crate::segment::{base_of, file_name};
use crate::{
    CommitRecord, Disk, DiskLock, OutputEnd, PartitionReader, PartitionWriter, Section, StoreError, StreamSpec, Table,
    snapshot,
};

mod commit;
mod directory;
mod retention;
mod streams;
mod tables;

use directory::{SNAPSHOTS, STREAMS};
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
    _lock: Box<dyn DiskLock>,
}

impl Store {
    /// Opens a data directory, making it when it does not exist, and recovers what is committed.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let opened = directory::open(&disk, dir)?;
        let journal = Journal::open(Arc::clone(&disk), &dir.join("journal"), options.journal_bytes, opened.is_new)?;
        if opened.is_new {
            directory::complete(&disk, dir)?;
        }
        let commits = records_of::<CommitRecord>(&journal, COMMIT)?.into_iter().collect();
        let store = Self {
            tables: tables::Tables::new(dir),
            dir: dir.to_owned(),
            options,
            streams: RwLock::new(streams::recover(&disk, dir, &journal)?),
            commits: RwLock::new(commits),
            journal: Mutex::new(journal),
            committed: watch::channel(0).0,
            _lock: opened.lock,
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

    /// Makes a stream. One that exists as it is wanted takes the wanted retention; another shape is a conflict.
    pub fn create_stream(&self, spec: StreamSpec) -> Result<(), StoreError> {
        self.create_with(spec, Vec::new())
    }

    /// Makes a stream and other changes at once; the changes also when the stream exists.
    fn create_with(&self, spec: StreamSpec, mut changes: Vec<Change>) -> Result<(), StoreError> {
        let mut journal = self.journal();
        if let Ok(existing) = self.known(&spec.name) {
            existing.check_same(&spec)?;
            if existing.spec.retention != spec.retention {
                changes.push(Change::put(streams::KIND, &spec.name, &streams::to_record(&spec))?);
            }
            if !changes.is_empty() {
                journal.append(changes)?;
                self.insert(existing.with_retention(spec.retention));
            }
            return Ok(());
        }
        streams::check(&spec)?;
        changes.push(Change::put(streams::KIND, &spec.name, &streams::to_record(&spec))?);
        journal.append(changes)?;
        self.insert(streams::Stream::new(spec));
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
        let ends = stream.partitions().map(|(number, _)| Change::delete(commit::END, &commit::end_key(name, number)));
        journal.append(ends.chain([Change::delete(streams::KIND, name)]).collect())?;
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
            let journal = self.journal();
            journal.check()?;
            let claim = Claim::take(&state, stream, partition, owner)?;
            (claim, OutputEnd { session: state.session(), ..state.committed().0 })
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
        self.dir.join(SNAPSHOTS).join(snapshot::dir_name(agent))
    }

    fn snapshot_bytes(&self) -> u64 {
        let root = self.dir.join(SNAPSHOTS);
        let mut bytes = 0;
        for dir in self.disk.list(&root).unwrap_or_default().iter().map(|name| root.join(name)) {
            for name in self.disk.list(&dir).unwrap_or_default() {
                // One that has just been let go of counts nothing.
                bytes += streams::len_of(&self.disk, &dir.join(name)).unwrap_or(0);
            }
        }
        bytes
    }

    /// Disk used.
    pub fn disk_usage(&self) -> DiskUsage {
        let streams = self.all_streams();
        let tables = self.tables.all();
        DiskUsage {
            streams: streams.values().flat_map(|s| s.info().partitions).map(|p| p.bytes).sum(),
            journal: self.journal().bytes(),
            snapshots: self.snapshot_bytes(),
            tables: tables.iter().map(|table| table.bytes() as u64).sum(),
        }
    }

    /// Removes what no record names: it was never committed, or is no longer needed.
    fn sweep(&self) -> Result<(), StoreError> {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        for (agent, commit) in &*commits {
            self.retain_snapshots(agent, &commit.snapshots, (u64::MAX, u64::MAX))?;
        }
        let agents = commits.keys().map(|agent| snapshot::dir_name(agent)).collect();
        self.remove_unknown(&self.dir.join(SNAPSHOTS), &agents)?;
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
