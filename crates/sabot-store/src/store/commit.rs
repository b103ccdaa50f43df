//! The commit group: data first, pointer last.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::{COMMIT, Store};
use crate::error::at;
use crate::journal::Change;
use crate::{CommitRequest, DiskFile, StoreError};

/// Kind of the records that hold the ends of partitions.
pub(super) const END: &str = "end";
/// Threads that sync at the same time.
const SYNC_THREADS: usize = 4;

/// What a commit group took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// Records in the group.
    pub records: usize,
    /// Files and directories synced before the journal.
    pub synced: usize,
}

impl Store {
    /// Makes a group of records durable and visible: all their data is synced in parallel, then one journal append
    /// names it. On failure nothing counts and the same call can be made again.
    pub fn commit_group(&self, group: &[CommitRequest]) -> Result<CommitStats, StoreError> {
        for request in group {
            self.check_fence(request)?;
        }
        let synced = self.sync_data(group)?;
        let mut changes = Vec::new();
        for request in group {
            changes.push(Change::put(COMMIT, &request.record.agent, &request.record)?);
            for end in &request.record.outputs {
                changes.push(Change::put(END, &format!("{}/{}", end.stream, end.partition), end)?);
            }
        }
        self.journal().append(changes)?;
        self.publish(group)?;
        Ok(CommitStats { records: group.len(), synced })
    }

    /// A version that has been replaced cannot commit any more.
    fn check_fence(&self, request: &CommitRequest) -> Result<(), StoreError> {
        let (agent, generation) = (&request.record.agent, request.record.generation);
        match self.last_commit(agent) {
            Some(last) if last.generation > generation => {
                Err(StoreError::Fenced { agent: agent.clone(), generation, current: last.generation })
            }
            _ => Ok(()),
        }
    }

    fn sync_data(&self, group: &[CommitRequest]) -> Result<usize, StoreError> {
        let mut dirs: Vec<PathBuf> = group.iter().flat_map(|request| request.dirty_dirs.iter().cloned()).collect();
        // A new directory's own name must be durable too.
        dirs.extend(dirs.clone().iter().filter_map(|dir| dir.parent().map(PathBuf::from)));
        dirs.extend(dirs.clone().iter().filter_map(|dir| dir.parent().map(PathBuf::from)));
        dirs.retain(|dir| dir.starts_with(&self.dir) || dir.exists());
        dirs.sort();
        dirs.dedup();
        let files: Vec<&Arc<dyn DiskFile>> = group.iter().flat_map(|request| &request.dirty).collect();
        let sync_file = |file: &&Arc<dyn DiskFile>| file.sync_data().map_err(at(&self.dir));
        let sync_dir = |dir: &PathBuf| self.disk.sync_dir(dir).map_err(at(dir));
        in_parallel(&files, sync_file)?;
        in_parallel(&dirs, sync_dir)?;
        Ok(files.len() + dirs.len())
    }

    fn publish(&self, group: &[CommitRequest]) -> Result<(), StoreError> {
        for request in group {
            self.ends(&request.record.outputs)?;
        }
        let mut finished: Vec<&str> = Vec::new();
        {
            let mut commits = self.commits.write().unwrap_or_else(PoisonError::into_inner);
            for request in group {
                if request.record.finished {
                    finished.extend(self.output_streams(&request.record));
                }
                commits.insert(request.record.agent.clone(), request.record.clone());
            }
        }
        for name in finished {
            self.known(name)?.finish();
        }
        self.committed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Streams an agent writes: those of this record, and those it named once and has not moved since.
    fn output_streams<'a>(&self, record: &'a crate::CommitRecord) -> Vec<&'a str> {
        let named = record.extra.get("streams").and_then(|names| names.as_array());
        let named = named.into_iter().flatten().filter_map(serde_json::Value::as_str);
        let streams: BTreeSet<&str> = record.outputs.iter().map(|end| end.stream.as_str()).collect();
        streams.into_iter().chain(named).filter(|name| self.known(name).is_ok()).collect()
    }
}

/// Runs `act` on all items, on a few threads when there are several.
fn in_parallel<T: Sync>(items: &[T], act: impl Fn(&T) -> Result<(), StoreError> + Sync) -> Result<(), StoreError> {
    if items.len() <= 1 {
        return items.iter().try_for_each(act);
    }
    let share = items.len().div_ceil(SYNC_THREADS);
    let act = &act;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            items.chunks(share).map(|part| scope.spawn(move || part.iter().try_for_each(act))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<(), StoreError>>| {
            thread.join().unwrap_or_else(|_panic| Err(StoreError::InvalidData("a sync thread panicked".to_owned())))
        };
        let outcomes: Vec<_> = threads.into_iter().map(join).collect();
        outcomes.into_iter().collect()
    })
}
