//! A trace whose local root is running.

use super::rules::Facts;
use crate::Text;
use crate::record::{SpanRecord, Unfinished};
use crate::sampling::randomness;

/// What a waiting trace takes without spans: itself, its places in two maps, and the list of its spans.
pub(super) const ENTRY_BYTES: usize = size_of::<Pending>() + 256;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) root_span_id: [u8; 8],
    pub(super) root_name: Text,
    pub(super) started_unix_nano: u64,
    /// The random bits that decide about the trace.
    pub(super) randomness: u64,
    pub(super) facts: Facts,
    #[expect(clippy::vec_box, reason = "spans come boxed and go boxed; only their pointers are moved")]
    pub(super) spans: Vec<Box<Unfinished>>,
    /// Its own and those of its spans.
    pub(super) bytes: usize,
}

impl Pending {
    /// The trace of a local root that begins.
    pub(super) fn new(root: &SpanRecord) -> Self {
        Self {
            root_span_id: root.span_id,
            root_name: root.name.clone(),
            started_unix_nano: root.start_unix_nano,
            randomness: randomness(&root.trace_state, &root.trace_id),
            facts: Facts::default(),
            spans: Vec::new(),
            bytes: ENTRY_BYTES + root.name.len(),
        }
    }
}
