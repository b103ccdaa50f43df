//! A part of the buffer: traces that wait, by id and by age.

use std::collections::{BTreeMap, HashMap};

use super::pending::Pending;
use super::rules::Facts;
use super::size::size_bytes;
use super::verdict::Verdicts;
use crate::record::Unfinished;

#[derive(Debug, Default)]
pub(super) struct Shard {
    /// A number of each trace that waits; a lower one is older.
    numbers: HashMap<[u8; 16], u64>,
    pending: BTreeMap<u64, ([u8; 16], Pending)>,
    next_number: u64,
    pub(super) verdicts: Verdicts,
}

impl Shard {
    pub(super) fn is_pending(&self, trace_id: &[u8; 16]) -> bool {
        self.numbers.contains_key(trace_id)
    }

    /// Takes a trace that does not wait yet.
    pub(super) fn insert(&mut self, trace_id: [u8; 16], pending: Pending) {
        self.numbers.insert(trace_id, self.next_number);
        self.pending.insert(self.next_number, (trace_id, pending));
        self.next_number += 1;
    }

    /// Puts a span to its trace; how many bytes that takes. Gives the span back if its trace does not wait.
    pub(super) fn push(&mut self, mut span: Box<Unfinished>, facts: Facts) -> Result<usize, Box<Unfinished>> {
        let number = self.numbers.get(&span.record().trace_id);
        let Some((_, pending)) = number.and_then(|number| self.pending.get_mut(number)) else { return Err(span) };
        let bytes = size_bytes(span.record());
        pending.facts |= facts;
        pending.bytes += bytes;
        pending.spans.push(span);
        Ok(bytes)
    }

    /// The trace, if this is its local root.
    pub(super) fn remove_root(&mut self, trace_id: &[u8; 16], span_id: [u8; 8]) -> Option<Pending> {
        let number = *self.numbers.get(trace_id)?;
        if self.pending.get(&number)?.1.root_span_id != span_id {
            return None;
        }
        self.numbers.remove(trace_id);
        self.pending.remove(&number).map(|(_, pending)| pending)
    }

    pub(super) fn pop_oldest(&mut self) -> Option<([u8; 16], Pending)> {
        let (_, (trace_id, pending)) = self.pending.pop_first()?;
        self.numbers.remove(&trace_id);
        Some((trace_id, pending))
    }

    pub(super) fn spans_held(&self) -> usize {
        self.pending.values().map(|(_, pending)| pending.spans.len()).sum()
    }
}
