//! The commit group: data first, pointer last.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::streams::{PartitionState, key_of, outputs_of};
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

/// Why requests of a group are refused, by number.
type Refusals = BTreeMap<usize, StoreError>;

/// What has to be synced before the journal may name it, and the numbers of the requests it is for.
struct Dirty<'a> {
    what: What<'a>,
    of: Vec<usize>,
}

#[derive(Clone, Copy)]
enum What<'a> {
    File(&'a Arc<dyn DiskFile>),
    Dir(&'a Path),
}

impl Store {
    /// Makes one record durable and visible; see [`Store::commit_group`].
    pub fn commit(&self, request: &CommitRequest) -> Result<(), StoreError> {
        self.commit_group(std::slice::from_ref(request))?.pop().unwrap_or(Ok(()))
    }

    /// Makes a group of records durable and visible: all their data is synced in parallel, then one journal append
    /// names it. A request that is refused, as that of a replaced generation is, or whose files are gone, does not hold
    /// up the others; the outcomes are in the order of the requests. An error is that of the whole group: when the disk
    /// is full nothing counts and the same call can be made again; what has been made durable before is not made so
    /// twice.
    pub fn commit_group(&self, group: &[CommitRequest]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let gone = self.sync_data(group, &self.admit(group, Refusals::new()))?;
        // From here on nobody else may commit, or open one of the writers: what has been synced may have been overtaken.
        let mut journal = self.journal();
        let outputs = self.outputs_of(group);
        let _held: Vec<MutexGuard<'_, ()>> = outputs.values().map(|state| state.hold()).collect();
        let admitted = self.admit(group, gone);
        let wanted: Vec<&CommitRequest> = wanted(group, &admitted).map(|(_, request)| request).collect();
        let mut changes = Vec::new();
        for request in &wanted {
            changes.push(Change::put(COMMIT, &request.record.agent, &request.record)?);
            for end in &request.record.outputs {
                changes.push(Change::put(END, &key_of(&end.stream, end.partition), end)?);
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

    /// The partitions a group moves, in an order in which all can be held.
    fn outputs_of<'a>(&self, group: &'a [CommitRequest]) -> BTreeMap<(&'a str, u32), Arc<PartitionState>> {
        let ends = group.iter().flat_map(|request| &request.record.outputs);
        let state = |end: &OutputEnd| self.known(&end.stream).and_then(|stream| stream.partition(end.partition)).ok();
        ends.filter_map(|end| Some(((end.stream.as_str(), end.partition), state(end)?))).collect()
    }

    /// Which requests of a group may be made durable; those that are refused already, by number, may not.
    fn admit(&self, group: &[CommitRequest], mut refused: Refusals) -> Vec<Admission> {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        let newest: BTreeMap<&str, &CommitRecord> =
            group.iter().map(|request| (request.record.agent.as_str(), &request.record)).collect();
        // What is durable already, and then what this group adds.
        let mut last: BTreeMap<&str, &CommitRecord> = BTreeMap::new();
        let mut admitted = Vec::with_capacity(group.len());
        for (number, request) in group.iter().enumerate() {
            let record = &request.record;
            let agent = record.agent.as_str();
            let durable = commits.get(agent);
            if durable.is_some() && durable == newest.get(agent).copied() {
                admitted.push(Admission::Repeated);
                continue;
            }
            let before = last.get(agent).copied().or(durable);
            let outcome = refused.remove(&number).map_or(Ok(()), Err);
            let outcome = outcome.and_then(|()| check_order(record, before)).and_then(|()| self.check_outputs(record));
            admitted.push(outcome.map_or_else(Admission::Refused, |()| Admission::Wanted));
            if matches!(admitted.last(), Some(Admission::Wanted)) {
                last.insert(agent, record);
            }
        }
        admitted
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
    /// Returns, by number, the requests that name something that is gone.
    fn sync_data(&self, group: &[CommitRequest], admitted: &[Admission]) -> Result<Refusals, StoreError> {
        let items = self.dirty_of(wanted(group, admitted));
        // Files come first, and each thread takes every so-manieth: large ones side by side, not one after another.
        let threads = self.disk.sync_threads().clamp(1, items.len().max(1));
        let sync = |first: usize| -> Vec<(&Dirty<'_>, io::Error)> {
            items.iter().skip(first).step_by(threads).filter_map(|item| Some((item, self.sync(item)?))).collect()
        };
        let failed: Vec<(&Dirty<'_>, io::Error)> = std::thread::scope(|scope| {
            let others = items.iter().enumerate().take(threads).skip(1);
            let others: Vec<_> = others.map(|(first, item)| (item, scope.spawn(move || sync(first)))).collect();
            let own = sync(0);
            let panicked = |item| vec![(item, io::Error::other("a sync thread panicked"))];
            let others = others.into_iter().flat_map(|(item, thread)| thread.join().unwrap_or_else(|_| panicked(item)));
            own.into_iter().chain(others).collect()
        });
        let mut refused = Refusals::new();
        for (item, error) in failed {
            match error.kind() {
                // It was never reached, which says nothing about what is durable, and concerns nobody else.
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
                    refused.extend(self.refusals(item, &error));
                }
                _ => return Err(self.records.stop(self.path_of(item).to_owned(), &error)),
            }
        }
        Ok(refused)
    }

    /// What has to be synced for some requests of a group.
    fn dirty_of<'a>(&self, wanted: impl Iterator<Item = (usize, &'a CommitRequest)>) -> Vec<Dirty<'a>> {
        let mut items = Vec::new();
        let mut dirs: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for (number, request) in wanted {
            items.extend(request.dirty.iter().map(|file| Dirty { what: What::File(file), of: vec![number] }));
            for dir in &request.dirty_dirs {
                // A new directory's own name must be durable too.
                let above = dir.ancestors().skip(1);
                let above = above.take_while(|above| above.starts_with(&self.dir) && **above != self.dir);
                let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
                above.chain([dir]).for_each(|dir| dirs.entry(dir).or_default().push(number));
            }
        }
        items.extend(dirs.into_iter().map(|(dir, of)| Dirty { what: What::Dir(dir), of }));
        items
    }

    fn sync(&self, item: &Dirty<'_>) -> Option<io::Error> {
        match item.what {
            What::File(file) => file.sync_data().err(),
            What::Dir(dir) => self.disk.sync_dir(dir).err(),
        }
    }

    /// What an item is known by; a file does not know its name.
    fn path_of<'a>(&'a self, item: &Dirty<'a>) -> &'a Path {
        match item.what {
            What::File(_) => &self.dir,
            What::Dir(dir) => dir,
        }
    }

    fn refusals(&self, item: &Dirty<'_>, error: &io::Error) -> Refusals {
        let again = || io::Error::new(error.kind(), error.to_string());
        item.of.iter().map(|number| (*number, at(self.path_of(item))(again()))).collect()
    }

    fn publish(&self, group: &[&CommitRequest]) {
        for end in group.iter().flat_map(|request| &request.record.outputs) {
            self.publish_end(end);
        }
        let mut replaced = Vec::new();
        {
            let mut commits = self.commits.write().unwrap_or_else(PoisonError::into_inner);
            for request in group {
                replaced.extend(commits.insert(request.record.agent.clone(), request.record.clone()));
            }
        }
        let records = group.iter().map(|request| &request.record).chain(&replaced);
        self.tell_finished(records.filter(|record| record.finished).flat_map(outputs_of));
        self.committed.send_modify(|count| *count += 1);
    }

    fn publish_end(&self, end: &OutputEnd) {
        let Ok(state) = self.known(&end.stream).and_then(|stream| stream.partition(end.partition)) else { return };
        let before = state.committed().0;
        state.publish(end.clone(), self.bytes_between(&before, end));
    }

    /// Tells streams whether they are complete: while the last commit of one that writes them says so.
    pub(super) fn tell_finished<'a>(&self, streams: impl Iterator<Item = &'a str>) {
        let commits = self.commits.read().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.filter_map(|name| self.known(name).ok()) {
            let writes = |commit: &CommitRecord| outputs_of(commit).any(|name| name == stream.spec.name);
            stream.set_finished(commits.values().any(|commit| commit.finished && writes(commit)));
        }
    }
}

/// Requests of a group with their numbers, those that are to be made durable.
fn wanted<'a>(group: &'a [CommitRequest], admitted: &[Admission]) -> impl Iterator<Item = (usize, &'a CommitRequest)> {
    let all = group.iter().enumerate().zip(admitted);
    all.filter(|(_, admission)| matches!(admission, Admission::Wanted)).map(|(numbered, _)| numbered)
}

/// The generation never falls, and every epoch is the one after the last: with one left out, what only that one wrote
/// would be missing while the next says it is there.
fn check_order(record: &CommitRecord, last: Option<&CommitRecord>) -> Result<(), StoreError> {
    let (agent, generation, epoch) = (&record.agent, record.generation, record.epoch);
    if let Some(last) = last.filter(|last| generation < last.generation) {
        return Err(StoreError::Fenced { agent: agent.clone(), generation, current: last.generation });
    }
    let last = last.map_or(0, |last| last.epoch);
    if Some(epoch) != last.checked_add(1) {
        return Err(StoreError::Conflict(format!(
            "agent \"{agent}\": epoch {epoch} of generation {generation} does not follow epoch {last}, the last committed"
        )));
    }
    Ok(())
}
