//! How many traces a kept one stands for, put on its spans.

use std::sync::Arc;

use super::rules::Rules;
use super::verdict::OutcomeReason;
use crate::Text;
use crate::record::SpanRecord;
use crate::sampling::{Threshold, threshold, with_threshold};

/// Raises the threshold in trace states to that of the verdict.
#[derive(Debug)]
pub(super) struct Weight {
    threshold: Threshold,
    /// The last trace state that was seen and what became of it: spans of a trace mostly have the same.
    last: Option<(Text, Text)>,
}

impl Weight {
    /// A rule keeps everything it names, so it leaves the weight that head sampling gave.
    pub(super) fn new(rules: &Rules, reason: OutcomeReason) -> Self {
        let threshold = if reason == OutcomeReason::Baseline { rules.baseline } else { Threshold::ALWAYS };
        Self { threshold, last: None }
    }

    pub(super) fn put_on(&mut self, span: &mut SpanRecord) {
        // With what probability others kept a trace that comes without a threshold is not known, and a rule adds nothing.
        if self.threshold == Threshold::ALWAYS {
            return;
        }
        if let Some((before, after)) = &self.last
            && *before == span.trace_state
        {
            span.trace_state = after.clone();
            return;
        }
        let already = threshold(&span.trace_state);
        if already.is_some_and(|already| already >= self.threshold) {
            return;
        }
        let raised: Arc<str> = with_threshold(&span.trace_state, Some(self.threshold)).into();
        let before = std::mem::replace(&mut span.trace_state, Text::Shared(Arc::clone(&raised)));
        self.last = Some((before, Text::Shared(raised)));
    }
}
