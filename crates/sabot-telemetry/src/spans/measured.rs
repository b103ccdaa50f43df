//! A span that sampling left out and that is measured all the same.

use std::sync::Arc;

use super::Recorder;
use crate::Text;
use crate::record::{SpanKind, SpanStatus};
use crate::red::Measurement;

/// What metrics want to know of a span. Exists only where they are configured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) kind: SpanKind,
    pub(super) start_unix_nano: u64,
    status: SpanStatus,
    name: Text,
    is_root: bool,
    recorder: Arc<Recorder>,
}

impl Measured {
    pub(super) const fn new(recorder: Arc<Recorder>, kind: SpanKind, name: Text, is_root: bool) -> Self {
        Self { kind, start_unix_nano: 0, status: SpanStatus::Unset, name, is_root, recorder }
    }

    /// As a recorded span takes it, without the reason.
    pub(super) fn set_status(&mut self, status: &SpanStatus) {
        match (&self.status, status) {
            (SpanStatus::Ok, _) | (_, SpanStatus::Unset) => {}
            (_, SpanStatus::Ok) => self.status = SpanStatus::Ok,
            (_, SpanStatus::Error(_)) => self.status = SpanStatus::Error(Text::default()),
        }
    }

    /// The span has ended; one that never started is none.
    pub(super) fn end(&self, end_unix_nano: u64) {
        if let Some(red) = &self.recorder.judges.red
            && self.start_unix_nano != 0
        {
            red.measure(Measurement {
                operation: &self.name,
                kind: self.kind,
                is_root: self.is_root,
                has_failed: matches!(self.status, SpanStatus::Error(_)),
                nanos: end_unix_nano.saturating_sub(self.start_unix_nano),
                exemplar: None,
            });
        }
    }
}
