//! What the tasks of a job report at a barrier becomes one epoch.

use std::collections::BTreeSet;

use sabot_store::Section;

use crate::sink::MAX_TRACES;
use crate::task::{Counts, Part};
use crate::{Flushed, Position};

/// The parts of an epoch put together; state is named after its task.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) position: Position,
    pub(super) sections: Vec<Section>,
    pub(super) live: BTreeSet<String>,
    pub(super) flushed: Flushed,
    pub(super) counts: Counts,
}

impl Gathered {
    pub(super) fn from_parts(parts: Vec<Part>) -> Self {
        let mut all = Self::default();
        for part in parts {
            let task = part.task;
            let named = |name: &str| format!("{task}.{name}");
            if let Some(position) = part.position {
                all.position.inputs.extend(position.inputs);
                all.position.extra = position.extra.or(all.position.extra);
            }
            all.live.extend(part.live.iter().map(|name| named(name)));
            all.sections.extend(part.sections.into_iter().map(|s| Section { name: named(&s.name), ..s }));
            all.flushed.append(part.flushed);
            all.counts.add(&part.counts);
        }
        all
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.late += other.late;
        self.dead += other.dead;
        self.batches += other.batches;
        self.bytes_out += other.bytes_out;
        self.oldest_arrival = [self.oldest_arrival, other.oldest_arrival].into_iter().flatten().min();
        let room = MAX_TRACES.saturating_sub(self.batch_traces.len());
        self.batch_traces.extend(other.batch_traces.iter().take(room));
    }
}
