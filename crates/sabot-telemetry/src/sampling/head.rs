//! The decision itself.

use std::sync::Arc;

use super::error::SamplingError;
use super::rules::{Rules, Sampling};
use super::strategy::{SamplingStrategy, check_ratio};
use super::threshold::{Threshold, randomness_of};
use super::tracestate::{randomness, threshold, with_threshold};
use crate::Text;
use crate::context::TraceContext;
use crate::record::AttributeValue;

/// Decides at a span's start whether it is recorded. Without rules that is one comparison.
#[derive(Debug)]
pub struct HeadSampler {
    base: Rate,
    follows_parents: bool,
    rules: Option<Box<Rules>>,
}

/// A probability, and the trace state of a root that was kept with it.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    threshold: Threshold,
    root_state: Text,
}

impl Rate {
    pub(super) fn of_ratio(ratio: f64) -> Self {
        let threshold = Threshold::of_ratio(ratio);
        let root_state = match threshold {
            Threshold::ALWAYS => KEPT.into(),
            Threshold::NEVER => Text::default(),
            threshold => Arc::<str>::from(with_threshold("", Some(threshold))).into(),
        };
        Self { threshold, root_state }
    }

    /// Of what a rule keeps whatever its randomness.
    pub(super) const fn kept() -> Self {
        Self { threshold: Threshold::ALWAYS, root_state: Text::Static(KEPT) }
    }

    #[inline]
    fn root(&self, trace_id: &[u8; 16]) -> Option<Text> {
        self.threshold.keeps(randomness_of(trace_id)).then(|| self.root_state.clone())
    }

    pub(super) fn is_never(&self) -> bool {
        self.threshold == Threshold::NEVER
    }

    pub(super) fn keeps_more_than(&self, other: &Self) -> bool {
        self.threshold < other.threshold
    }
}

/// The trace state of what stands for itself alone.
const KEPT: &str = "ot=th:0";

impl HeadSampler {
    /// Checks a configuration and makes it ready.
    pub fn new(sampling: &Sampling) -> Result<Self, SamplingError> {
        let (base, follows_parents) = base(&sampling.strategy)?;
        Ok(Self { base, follows_parents, rules: Rules::new(sampling)? })
    }

    /// Keeps a share of new traces, from 0 to 1, and follows parents.
    #[cfg(test)]
    pub(crate) fn of_rate(rate: f64) -> Self {
        let base = if rate >= 1.0 { always() } else { Rate::of_ratio(rate) };
        Self { base, follows_parents: true, rules: None }
    }

    /// Roots below this are left out whatever else is known of them.
    pub(crate) const fn kept_from(&self) -> Threshold {
        if self.rules.is_none() { self.base.threshold } else { Threshold::ALWAYS }
    }

    /// Whether every root is kept, and says nothing of it.
    pub(crate) fn keeps_all_roots(&self) -> bool {
        self.rules.is_none() && self.base.threshold == Threshold::ALWAYS && self.base.root_state.is_empty()
    }

    /// Whether a parent's decision is final.
    pub(crate) const fn follows_parents(&self) -> bool {
        self.follows_parents
    }

    /// The trace state of a root that is to be recorded.
    #[inline]
    pub(crate) fn root(
        &self,
        trace_id: &[u8; 16],
        name: &str,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> Option<Text> {
        match &self.rules {
            None => self.base.root(trace_id),
            Some(rules) => rules.rate(name, known).as_ref().unwrap_or(&self.base).root(trace_id),
        }
    }

    /// The trace state of a span below `parent` that is to be recorded.
    pub(crate) fn below(
        &self,
        parent: &TraceContext,
        parent_state: Text,
        name: &str,
        known: impl Fn(&str) -> Option<AttributeValue>,
    ) -> Option<Text> {
        if self.follows_parents {
            return parent.is_sampled().then_some(parent_state);
        }
        let by_rule = self.rules.as_ref().and_then(|rules| rules.rate(name, known));
        let rate = by_rule.as_ref().unwrap_or(&self.base);
        if !rate.threshold.keeps(randomness(&parent_state, &parent.trace_id)) {
            return None;
        }
        // Whatever the parent was kept with, this span is kept with its own probability.
        let unchanged = threshold(&parent_state).unwrap_or(Threshold::ALWAYS) == rate.threshold;
        Some(if unchanged { parent_state } else { with_threshold(&parent_state, Some(rate.threshold)).into() })
    }
}

/// Everything, without saying so in `tracestate`: what carries no threshold stands for itself.
const fn always() -> Rate {
    Rate { threshold: Threshold::ALWAYS, root_state: Text::Static("") }
}

fn base(strategy: &SamplingStrategy) -> Result<(Rate, bool), SamplingError> {
    Ok(match strategy {
        SamplingStrategy::AlwaysOn => (always(), false),
        SamplingStrategy::AlwaysOff => (Rate::of_ratio(0.0), false),
        SamplingStrategy::TraceIdRatio { ratio } => {
            check_ratio("ratio", *ratio)?;
            (Rate::of_ratio(*ratio), false)
        }
        SamplingStrategy::ParentBased { root } => (base(root)?.0, true),
    })
}
