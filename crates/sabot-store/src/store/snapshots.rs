//! Agents' snapshots: written, read back, let go of; and agents forgotten with all they have.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::directory::SNAPSHOTS;
use super::{COMMIT, Store, streams};
use crate::error::at;
use crate::journal::Change;
use crate::{DiskFile, Section, StoreError, snapshot};

impl Store {
    /// Writes a snapshot under a name of its own; the commit that names it syncs the file and its directory. When the
    /// disk is full nothing is left of it and the call can be made again.
    pub fn write_snapshot(
        &self,
        agent: &str,
        generation: u64,
        epoch: u64,
        sections: &[Section],
    ) -> Result<(String, Arc<dyn DiskFile>, PathBuf), StoreError> {
        let dir = self.snapshot_dir(agent);
        self.disk.create_dir_all(&dir).map_err(at(&dir))?;
        // The job before this one may have written the same epoch, and its commit may still be on its way.
        let attempt = self.snapshots_written.fetch_add(1, Ordering::Relaxed);
        let id = snapshot::id_of(generation, epoch, attempt);
        let file = snapshot::write(&self.disk, &snapshot::path_of(&dir, &id), sections)?;
        Ok((id, file, dir))
    }

    /// Reads a snapshot back.
    pub fn read_snapshot(&self, agent: &str, id: &str) -> Result<Vec<Section>, StoreError> {
        snapshot::read(&self.disk, &snapshot::path_of(&self.snapshot_dir(agent), id))
    }

    /// Removes an agent's snapshots of epochs up to the newest durable one that are not needed.
    pub fn retain_snapshots(&self, agent: &str, live: &[String], up_to_epoch: (u64, u64)) -> Result<(), StoreError> {
        // What is newer waits for its commit.
        self.remove_snapshots(agent, live, |id| snapshot::place_of(id).is_some_and(|place| place <= up_to_epoch))
    }

    fn remove_snapshots(&self, agent: &str, live: &[String], old: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let dir = self.snapshot_dir(agent);
        for name in self.disk.list(&dir).map_err(at(&dir))? {
            let id = snapshot::id_in(&name);
            if old(id) && !live.iter().any(|live| live == id) {
                let path = dir.join(&name);
                self.disk.remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    /// Forgets that an agent has ever run: its last commit and the records given as (kind, key) go in one change, then
    /// its snapshots. A job of that name starts at the first epoch and at the beginning of its inputs; its outputs keep
    /// what is committed. The agent's job must be over: what it still has on its way is refused, unless that is its
    /// first epoch.
    pub fn forget_agent(&self, agent: &str, records: &[(&str, &str)]) -> Result<(), StoreError> {
        {
            let mut journal = self.journal();
            let given = records.iter().map(|(kind, key)| Change::delete(kind, key));
            journal.append_to_free(given.chain([Change::delete(COMMIT, agent)]).collect())?;
            let forgotten = self.commits.write().unwrap_or_else(PoisonError::into_inner).remove(agent);
            // As it is after the next open: nobody says of them any more that they are complete.
            self.tell_finished(forgotten.iter().flat_map(streams::outputs_of));
        }
        let dir = self.snapshot_dir(agent);
        if let Err(error) = self.disk.remove_dir_all(&dir) {
            tracing::warn!("{} belongs to nothing and stays until the next start: {error}", dir.display());
        }
        Ok(())
    }

    fn snapshot_dir(&self, agent: &str) -> PathBuf {
        self.dir.join(SNAPSHOTS).join(snapshot::dir_name(agent))
    }

    /// Bytes of all snapshots.
    pub(super) fn snapshot_bytes(&self) -> u64 {
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

    /// Removes snapshots that no commit names, and directories of agents that have none.
    pub(super) fn sweep_snapshots(&self) -> Result<(), StoreError> {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        for (agent, commit) in &*commits {
            self.remove_snapshots(agent, &commit.snapshots, |_| true)?;
        }
        let agents = commits.keys().map(|agent| snapshot::dir_name(agent)).collect();
        self.remove_unknown(&self.dir.join(SNAPSHOTS), &agents)
    }
}
