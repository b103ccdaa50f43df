//! The commit group: data first, pointer last.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::{COMMIT, Store};
use crate::error::at;
use crate::journal::Change;
use crate::{CommitRecord, CommitRequest, DiskFile, OutputEnd, StoreError};

/// Kind of the records that hold the ends of partitions.
pub(super) const END: &str = "end";

/// What becomes of a request.
enum Admission {
    /// It is to be made durable.
    Wanted,
    /// The very same has been made durable before: somebody tries again.
    Repeated,
    /// It cannot be made durable any more.
    Refused(StoreError),
}

/// What has to be synced before the journal may name it.
enum Dirty<'a> {
    File(&'a Arc<dyn DiskFile>),
    Dir(&'a Path),
}

impl Store {
    /// Makes one record durable and visible; see [`Store::commit_group`].
    pub fn commit(&self, request: &CommitRequest) -> Result<(), StoreError> {
        self.commit_group(std::slice::from_ref(request))?.pop().unwrap_or(Ok(()))
    }

    /// Makes a group of records durable and visible: all their data is synced in parallel, then one journal append
    /// names it. A request that is refused, as that of a replaced generation is, does not hold up the others; the
    /// outcomes are in the order of the requests. An error is that of the whole group: when the disk is full nothing
    /// counts and the same call can be made again; what has been made durable before is not made so twice.
    pub fn commit_group(&self, group: &[CommitRequest]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.sync_data(&wanted(group, &self.admit(group)))?;
        // From here on nobody else may commit, or open a writer: what has been synced may have been overtaken.
        let mut journal = self.journal();
        let admitted = self.admit(group);
        let wanted = wanted(group, &admitted);
        let mut changes = Vec::new();
        for request in &wanted {
            changes.push(Change::put(COMMIT, &request.record.agent, &request.record)?);
            for end in &request.record.outputs {
                changes.push(Change::put(END, &end_key(&end.stream, end.partition), end)?);
            }
        }
        if !changes.is_empty() {
            journal.append(changes)?;
            self.publish(&wanted);
        }
        let outcome = |admission| match admission {
            Admission::Refused(error) => Err(error),
            Admission::Wanted | Admission::Repeated => Ok(()),
        };
        Ok(admitted.into_iter().map(outcome).collect())
    }

    /// Which requests of a group may be made durable.
    fn admit<'a>(&self, group: &'a [CommitRequest]) -> Vec<Admission> {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        let newest: BTreeMap<&str, &CommitRecord> =
            group.iter().map(|request| (request.record.agent.as_str(), &request.record)).collect();
        // What is durable already, and then what this group adds.
        let mut last: BTreeMap<&str, &CommitRecord> =
            commits.iter().map(|(agent, last)| (agent.as_str(), last)).collect();
        let mut refused = BTreeSet::new();
        let mut admit = |record: &'a CommitRecord| {
            let agent = record.agent.as_str();
            if commits.get(agent).is_some() && commits.get(agent) == newest.get(agent).copied() {
                return Admission::Repeated;
            }
            if refused.contains(agent) {
                return Admission::Refused(StoreError::Conflict(format!(
                    "agent \"{agent}\": epoch {} comes after one that was refused",
                    record.epoch
                )));
            }
            match check_order(record, last.get(agent).copied()).and_then(|()| self.check_outputs(record)) {
                Ok(()) => {
                    last.insert(agent, record);
                    Admission::Wanted
                }
                Err(error) => {
                    refused.insert(agent);
                    Admission::Refused(error)
                }
            }
        };
        group.iter().map(|request| admit(&request.record)).collect()
    }

    /// A partition moves only by the hand of its newest writer: an older one's rows have been written over.
    fn check_outputs(&self, record: &CommitRecord) -> Result<(), StoreError> {
        for end in &record.outputs {
            let session = self.known(&end.stream)?.partition(end.partition)?.session();
            if end.session != session {
                return Err(StoreError::Conflict(format!(
                    "stream \"{}\": partition {} has another writer since agent \"{}\" wrote epoch {}",
                    end.stream, end.partition, record.agent, record.epoch
                )));
            }
        }
        Ok(())
    }

    /// Syncs files, and the directories in which they were made, in one round: neither needs the other to be first.
    fn sync_data(&self, group: &[&CommitRequest]) -> Result<(), StoreError> {
        let mut dirs: BTreeSet<&Path> = BTreeSet::new();
        for dir in group.iter().flat_map(|request| &request.dirty_dirs) {
            // A new directory's own name must be durable too.
            dirs.extend(
                dir.ancestors().skip(1).take_while(|above| above.starts_with(&self.dir) && **above != self.dir),
            );
            dirs.insert(if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
        }
        let files = group.iter().flat_map(|request| &request.dirty).map(Dirty::File);
        let items: Vec<Dirty<'_>> = files.chain(dirs.into_iter().map(Dirty::Dir)).collect();
        let threads = self.disk.sync_threads().min(items.len()).max(1);
        let sync = |part: &[Dirty<'_>]| part.iter().try_for_each(|item| self.sync(item));
        if threads == 1 {
            return sync(&items);
        }
        std::thread::scope(|scope| {
            let share = items.len().div_ceil(threads);
            let running: Vec<_> = items.chunks(share).map(|part| scope.spawn(move || sync(part))).collect();
            let panicked = |_| Err(self.journal().stop(&io::Error::other("a sync thread panicked")));
            running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).fold(Ok(()), Result::and)
        })
    }

    fn sync(&self, item: &Dirty<'_>) -> Result<(), StoreError> {
        let (path, outcome) = match item {
            Dirty::File(file) => (self.dir.as_path(), file.sync_data()),
            Dirty::Dir(dir) => (*dir, self.disk.sync_dir(dir)),
        };
        outcome.map_err(|error| match error.kind() {
            // It was never reached, and says nothing about what is durable.
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => at(path)(error),
            _ => self.journal().stop(&error),
        })
    }

    fn publish(&self, group: &[&CommitRequest]) {
        for end in group.iter().flat_map(|request| &request.record.outputs) {
            self.publish_end(end);
        }
        let mut finished: Vec<&str> = Vec::new();
        {
            let mut commits = self.commits.write().unwrap_or_else(PoisonError::into_inner);
            for request in group {
                if request.record.finished {
                    finished.extend(output_streams(&request.record));
                }
                commits.insert(request.record.agent.clone(), request.record.clone());
            }
        }
        finished.into_iter().filter_map(|name| self.known(name).ok()).for_each(|stream| stream.finish());
        self.committed.send_modify(|count| *count += 1);
    }

    fn publish_end(&self, end: &OutputEnd) {
        let Ok(state) = self.known(&end.stream).and_then(|stream| stream.partition(end.partition)) else { return };
        let before = state.committed().0;
        state.publish(end.clone(), self.bytes_between(&before, end));
    }
}

/// Streams an agent writes: those of this record, and those it named once and has not moved since.
pub(super) fn output_streams(record: &CommitRecord) -> impl Iterator<Item = &str> {
    let named = record.extra.get("streams").and_then(|names| names.as_array());
    let named = named.into_iter().flatten().filter_map(|name| name.as_str());
    record.outputs.iter().map(|end| end.stream.as_str()).chain(named)
}

/// Key of a partition's end.
pub(super) fn end_key(stream: &str, partition: u32) -> String {
    format!("{stream}/{partition}")
}

fn wanted<'a>(group: &'a [CommitRequest], admitted: &[Admission]) -> Vec<&'a CommitRequest> {
    let pairs = group.iter().zip(admitted);
    pairs.filter(|(_, admission)| matches!(admission, Admission::Wanted)).map(|(request, _)| request).collect()
}

/// Generation and epoch only rise.
fn check_order(record: &CommitRecord, last: Option<&CommitRecord>) -> Result<(), StoreError> {
    let Some(last) = last else { return Ok(()) };
    let (agent, generation, epoch) = (&record.agent, record.generation, record.epoch);
    if generation < last.generation {
        return Err(StoreError::Fenced { agent: agent.clone(), generation, current: last.generation });
    }
    if (generation, epoch) <= (last.generation, last.epoch) {
        return Err(StoreError::Conflict(format!(
            "agent \"{agent}\": epoch {epoch} of generation {generation} is committed already, epoch {} is the last",
            last.epoch
        )));
    }
    Ok(())
}
