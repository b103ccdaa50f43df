//! What is decided about a trace, and remembering it for spans that come late.

use std::collections::{HashMap, VecDeque};

/// Verdicts remembered per shard; with 64 shards the last 65,536 traces.
const REMEMBERED: usize = 1_024;

/// Why a trace was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeReason {
    /// One of its spans failed.
    Error,
    /// Its local root, or a span of a named operation, took long.
    Slow,
    /// One of its spans was worth much.
    HighValue,
    /// It holds an operation that is always kept.
    Operation,
    /// No rule named it, and it is one of the share that is kept all the same.
    Baseline,
}

impl OutcomeReason {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 5] = [Self::Error, Self::Slow, Self::HighValue, Self::Operation, Self::Baseline];

    /// As it stands in `sampling.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
            Self::HighValue => "high_value",
            Self::Operation => "operation",
            Self::Baseline => "baseline",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Dropped,
    Kept(OutcomeReason),
}

impl Verdict {
    pub(super) const fn is_kept(self) -> bool {
        matches!(self, Self::Kept(_))
    }

    pub(super) const fn is_by_rule(self) -> bool {
        matches!(
            self,
            Self::Kept(
                OutcomeReason::Error | OutcomeReason::Slow | OutcomeReason::HighValue | OutcomeReason::Operation
            )
        )
    }
}

/// The newest verdicts; older ones are forgotten.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    verdicts: HashMap<[u8; 16], Verdict>,
    /// By age. Every trace is in here once.
    order: VecDeque<[u8; 16]>,
}

impl Verdicts {
    pub(super) fn get(&self, trace_id: &[u8; 16]) -> Option<Verdict> {
        self.verdicts.get(trace_id).copied()
    }

    pub(super) fn remember(&mut self, trace_id: [u8; 16], verdict: Verdict) {
        if self.verdicts.insert(trace_id, verdict).is_some() {
            return;
        }
        self.order.push_back(trace_id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.verdicts.remove(&oldest);
        }
    }
}
