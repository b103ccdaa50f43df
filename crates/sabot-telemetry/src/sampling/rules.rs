//! Rates by operation and by customer, and what is always kept.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::error::SamplingError;
use super::head::Rate;
use super::strategy::{SamplingStrategy, check_ratio};
use crate::record::AttributeValue;

/// The attribute whose value is looked up in [`Sampling::operation_rates`], beside the span's name.
const OPERATION_KEY: &str = "operation.type";
/// Where a customer's tier is looked for.
const TIER_KEYS: [&str; 2] = ["user.tier", "customer.tier"];

/// How new traces are chosen. What decides, in order: an entry of `always_keep`; a rate of 0 of an operation or tier that
/// matches; the highest of the other rates that match; `strategy`.
///
/// Rates and lists judge what `strategy` would judge: behind a parent-based strategy these are spans without a parent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// For spans that nothing below names.
    pub strategy: SamplingStrategy,
    /// Ratios by the name of a span or by its `operation.type`.
    pub operation_rates: BTreeMap<String, f64>,
    /// Ratios by `user.tier` or `customer.tier`.
    pub customer_tiers: BTreeMap<String, f64>,
    /// What is kept whatever the rates say.
    pub always_keep: AlwaysKeep,
}

/// Traces that are never left out, each standing for itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlwaysKeep {
    /// Names of spans, or values of `operation.type`.
    pub operations: Vec<String>,
    /// Values by attribute, such as `tenant.id: [acme]`.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// A [`Sampling`]'s rules, made ready. Absent when there are none.
#[derive(Debug)]
pub(super) struct Rules {
    operations: HashMap<String, Rate>,
    tiers: HashMap<String, Rate>,
    kept_operations: Vec<String>,
    kept_attributes: Vec<(String, Vec<String>)>,
}

impl Rules {
    pub(super) fn new(sampling: &Sampling) -> Result<Option<Box<Self>>, SamplingError> {
        let AlwaysKeep { operations: kept_operations, attributes } = sampling.always_keep.clone();
        let rules = Self {
            operations: rates("operation_rates", &sampling.operation_rates)?,
            tiers: rates("customer_tiers", &sampling.customer_tiers)?,
            kept_operations,
            kept_attributes: attributes.into_iter().collect(),
        };
        let none = rules.operations.is_empty()
            && rules.tiers.is_empty()
            && rules.kept_operations.is_empty()
            && rules.kept_attributes.is_empty();
        Ok((!none).then(|| Box::new(rules)))
    }

    /// The rate for a span of which `name` and `known` are known. `known` is asked for an attribute only when a rule
    /// names it.
    pub(super) fn rate(&self, name: &str, known: impl Fn(&str) -> Option<AttributeValue>) -> Option<Rate> {
        let by_operation = !self.operations.is_empty() || !self.kept_operations.is_empty();
        let operation = by_operation.then(|| known(OPERATION_KEY)).flatten();
        let operation = operation.as_ref().and_then(as_text);
        let is_kept = |kept: &String| kept == name || Some(kept.as_str()) == operation;
        if self.kept_operations.iter().any(is_kept)
            || self
                .kept_attributes
                .iter()
                .any(|(key, values)| known(key).is_some_and(|value| is_one_of(&value, values)))
        {
            return Some(Rate::kept());
        }
        let tier = (!self.tiers.is_empty()).then(|| TIER_KEYS.iter().find_map(|key| known(key))).flatten();
        let matching = [
            self.operations.get(name),
            operation.and_then(|operation| self.operations.get(operation)),
            tier.as_ref().and_then(as_text).and_then(|tier| self.tiers.get(tier)),
        ];
        let mut matching = matching.into_iter().flatten();
        let first = matching.next()?;
        let chosen = matching.fold(first, |chosen, rate| {
            if chosen.is_never() || (!rate.is_never() && chosen.keeps_more_than(rate)) { chosen } else { rate }
        });
        Some(chosen.clone())
    }
}

fn rates(what: &str, ratios: &BTreeMap<String, f64>) -> Result<HashMap<String, Rate>, SamplingError> {
    let rate = |(name, ratio): (&String, &f64)| {
        check_ratio(&format!("{what}: \"{name}\""), *ratio)?;
        Ok((name.clone(), Rate::of_ratio(*ratio)))
    };
    ratios.iter().map(rate).collect()
}

fn as_text(value: &AttributeValue) -> Option<&str> {
    if let AttributeValue::Str(text) = value { Some(text.as_str()) } else { None }
}

/// Whether an attribute's value is written like one of these.
fn is_one_of(value: &AttributeValue, texts: &[String]) -> bool {
    match value {
        AttributeValue::Str(value) => texts.iter().any(|text| value == text.as_str()),
        AttributeValue::Int(value) => texts.iter().any(|text| text.parse() == Ok(*value)),
        AttributeValue::Float(value) => texts.iter().any(|text| text.parse() == Ok(*value)),
        AttributeValue::Bool(value) => texts.iter().any(|text| text.parse() == Ok(*value)),
        AttributeValue::List(values) => values.iter().any(|value| is_one_of(value, texts)),
    }
}
