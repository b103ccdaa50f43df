//! What makes a trace worth keeping.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::BitOrAssign;

use serde::Deserialize;

use super::pending::ENTRY_BYTES;
use super::verdict::{OutcomeReason, Verdict};
use crate::record::{AttributeValue, SpanRecord, SpanStatus};
use crate::sampling::{SamplingError, Threshold, check_ratio};

/// Bytes of spans that may wait for their local root unless configured otherwise.
pub const DEFAULT_OUTCOME_BUFFER_BYTES: usize = 16 * 1024 * 1024;

const VALUE_KEY: &str = "business.value";
const OPERATION_KEY: &str = "operation.type";
const NANOS_PER_MS: u64 = 1_000_000;

/// Which traces are kept once it is known how they went. The rules are looked at in this order; the first that holds is
/// the `sampling.reason` on the local root.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutcomeRules {
    /// Keeps traces in which a span failed.
    pub errors: bool,
    /// Keeps traces whose local root took at least this many milliseconds.
    pub slow_ms: Option<u64>,
    /// The same by name of a span, whether it is the local root or not; for a local root of that name instead of
    /// `slow_ms`.
    pub slow_operations_ms: BTreeMap<String, u64>,
    /// Keeps traces with a span whose `business.value` is at least this much.
    pub high_value: Option<f64>,
    /// Keeps traces with a span of this name or `operation.type`.
    pub operations: Vec<String>,
    /// The share of all other traces that is kept, from 0 to 1, chosen by trace id as head sampling chooses.
    pub baseline: f64,
    /// How many bytes of spans may wait.
    pub buffer_bytes: usize,
}

impl Default for OutcomeRules {
    fn default() -> Self {
        Self {
            errors: true,
            slow_ms: None,
            slow_operations_ms: BTreeMap::new(),
            high_value: None,
            operations: Vec::new(),
            baseline: 0.1,
            buffer_bytes: DEFAULT_OUTCOME_BUFFER_BYTES,
        }
    }
}

/// [`OutcomeRules`], made ready.
#[derive(Debug)]
pub(super) struct Rules {
    errors: bool,
    slow_nanos: Option<u64>,
    slow_operations_nanos: HashMap<String, u64>,
    high_value: Option<f64>,
    operations: HashSet<String>,
    pub(super) baseline: Threshold,
}

/// Which rules hold for what is known of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts(u8);

impl Facts {
    const ERROR: Self = Self(1);
    const SLOW: Self = Self(2);
    const HIGH_VALUE: Self = Self(4);
    const OPERATION: Self = Self(8);

    const fn has(self, fact: Self) -> bool {
        self.0 & fact.0 != 0
    }
}

impl BitOrAssign for Facts {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Rules {
    pub(super) fn new(rules: &OutcomeRules) -> Result<Self, SamplingError> {
        check_ratio("baseline", rules.baseline)?;
        if let Some(value) = rules.high_value.filter(|value| value.is_nan() || *value < 0.0) {
            return Err(SamplingError::Threshold { what: "high_value".to_owned(), value });
        }
        if rules.buffer_bytes < ENTRY_BYTES {
            return Err(SamplingError::Buffer { bytes: rules.buffer_bytes, least: ENTRY_BYTES });
        }
        let nanos = |ms: u64| ms.saturating_mul(NANOS_PER_MS);
        let slow_operations = rules.slow_operations_ms.iter();
        Ok(Self {
            errors: rules.errors,
            slow_nanos: rules.slow_ms.map(nanos),
            slow_operations_nanos: slow_operations.map(|(name, ms)| (name.clone(), nanos(*ms))).collect(),
            high_value: rules.high_value,
            operations: rules.operations.iter().cloned().collect(),
            baseline: Threshold::of_ratio(rules.baseline),
        })
    }

    /// What an ended span says about its trace.
    pub(super) fn facts(&self, span: &SpanRecord, is_local_root: bool) -> Facts {
        let mut facts = Facts::default();
        if self.errors && matches!(span.status, SpanStatus::Error(_)) {
            facts |= Facts::ERROR;
        }
        if self.is_slow(&span.name, is_local_root, span.end_unix_nano.saturating_sub(span.start_unix_nano)) {
            facts |= Facts::SLOW;
        }
        if !self.operations.is_empty() && self.operations.contains(span.name.as_str()) {
            facts |= Facts::OPERATION;
        }
        if self.high_value.is_some() || !self.operations.is_empty() {
            for (key, value) in &span.attributes {
                if key == VALUE_KEY && self.is_high(value) {
                    facts |= Facts::HIGH_VALUE;
                }
                if key == OPERATION_KEY && self.is_named(value) {
                    facts |= Facts::OPERATION;
                }
            }
        }
        facts
    }

    /// What a local root that is still running says about its trace.
    pub(super) fn facts_so_far(&self, root_name: &str, nanos: u64) -> Facts {
        let mut facts = Facts::default();
        if self.is_slow(root_name, true, nanos) {
            facts |= Facts::SLOW;
        }
        if self.operations.contains(root_name) {
            facts |= Facts::OPERATION;
        }
        facts
    }

    pub(super) fn judge(&self, facts: Facts, randomness: u64) -> Verdict {
        let by_rule = [
            (Facts::ERROR, OutcomeReason::Error),
            (Facts::SLOW, OutcomeReason::Slow),
            (Facts::HIGH_VALUE, OutcomeReason::HighValue),
            (Facts::OPERATION, OutcomeReason::Operation),
        ];
        let reason = by_rule.into_iter().find_map(|(fact, reason)| facts.has(fact).then_some(reason));
        match reason {
            Some(reason) => Verdict::Kept(reason),
            None if self.baseline.keeps(randomness) => Verdict::Kept(OutcomeReason::Baseline),
            None => Verdict::Dropped,
        }
    }

    fn is_slow(&self, name: &str, is_local_root: bool, nanos: u64) -> bool {
        let general = self.slow_nanos.filter(|_| is_local_root);
        let threshold = if self.slow_operations_nanos.is_empty() {
            general
        } else {
            self.slow_operations_nanos.get(name).copied().or(general)
        };
        threshold.is_some_and(|threshold| nanos >= threshold)
    }

    #[expect(clippy::cast_precision_loss, reason = "a value beyond 2^53 is as high a little higher or lower")]
    fn is_high(&self, value: &AttributeValue) -> bool {
        let value = match value {
            AttributeValue::Int(value) => *value as f64,
            AttributeValue::Float(value) => *value,
            AttributeValue::Str(value) => value.parse().unwrap_or(f64::NAN),
            AttributeValue::Bool(_) | AttributeValue::List(_) => f64::NAN,
        };
        self.high_value.is_some_and(|threshold| value >= threshold)
    }

    fn is_named(&self, value: &AttributeValue) -> bool {
        matches!(value, AttributeValue::Str(name) if self.operations.contains(name.as_str()))
    }
}
