//! Taking up a job where its last commit left it.

use std::collections::BTreeSet;

use sabot_store::{CommitRecord, Section, Store};
use serde_json::{Value, json};

use super::JobSpec;
use crate::snapshots::{SnapshotFiles, effective};
use crate::{JobError, WATERMARK_NONE};

/// What a restored job goes on with.
pub(super) struct Recovered {
    pub(super) epoch: u64,
    pub(super) snapshots: SnapshotFiles,
}

/// What a commit record holds beside the protocol: the number of tasks, by which state is named, the streams written,
/// and the source's own.
pub(super) fn extra(tasks: usize, mut streams: Vec<String>, source: Option<Value>) -> Value {
    streams.sort();
    streams.dedup();
    json!({ "tasks": tasks, "streams": streams, "source": source })
}

/// The source's own part of a record's extra.
pub fn source_extra(record: &CommitRecord) -> Option<&Value> {
    record.extra.get("source").filter(|value| !value.is_null())
}

/// Gives every chain its state back.
pub(super) fn recover(spec: &mut JobSpec, store: &Store) -> Result<Recovered, JobError> {
    let fresh = Recovered { epoch: 0, snapshots: SnapshotFiles::default() };
    let Some(record) = store.last_commit(&spec.agent) else { return Ok(fresh) };
    let mut snapshots = SnapshotFiles::default();
    let mut files = Vec::new();
    for id in &record.snapshots {
        let sections = store.read_snapshot(&spec.agent, id)?;
        snapshots.restored(id, &sections);
        files.push(sections);
    }
    let sections = effective(files);
    let watermark = record.inputs.iter().map(|i| i.watermark.unwrap_or(WATERMARK_NONE)).min().unwrap_or(WATERMARK_NONE);
    let tasks = spec.first.len() + spec.second.as_ref().map_or(0, |(_, stages)| stages.len());
    let same_tasks = record.extra.get("tasks").and_then(Value::as_u64) == Some(tasks as u64);
    let second = spec.second.iter_mut().flat_map(|(_, stages)| stages);
    let stages = spec.first.iter_mut().map(|(_, stage)| stage).chain(second);
    let mut orphans: BTreeSet<&str> = sections.iter().map(|section| section.name.as_str()).collect();
    for (index, stage) in stages.enumerate() {
        orphans.retain(|name| !name.split_once('.').is_some_and(|(_, own)| stage.chain.owns(own)));
        stage.chain.restore(&sections_of(index, same_tasks, &sections), watermark)?;
    }
    if let Some(orphan) = orphans.first() {
        let problem =
            format!("state \"{orphan}\" belongs to no operator of this version; deploy it under another name");
        return Err(JobError::operator("restore", problem));
    }
    // State of another number of tasks has been shared out anew; every task writes its part whole at the next barrier.
    let snapshots = if same_tasks { snapshots } else { SnapshotFiles::default() };
    Ok(Recovered { epoch: record.epoch, snapshots })
}

/// The sections a task takes: its own, or all when the number of tasks has changed and it must pick its rows.
fn sections_of(task: usize, same_tasks: bool, sections: &[Section]) -> Vec<Section> {
    let own = format!("{task}.");
    let named = |section: &Section, name: &str| Section {
        name: name.to_owned(),
        full: section.full,
        batch: section.batch.clone(),
    };
    sections
        .iter()
        .filter_map(|section| {
            if same_tasks {
                return section.name.strip_prefix(&own).map(|name| named(section, name));
            }
            section.name.split_once('.').map(|(_, name)| Section { full: false, ..named(section, name) })
        })
        .collect()
}
