//! Which traces are recorded, decided when a span starts: by probability, by operation, by customer.
//!
//! Invariant: whoever keeps a trace knows how many traces it stands for. Probabilities are consistent (every service
//! judges the same 56 random bits of a trace), the threshold travels in `tracestate` as `ot=th:…`, and
//! [`adjusted_count`] reads it back; what was kept with an unknown probability carries none.
//!
//! Only what is known at a span's start can be judged here. Errors, slowness and value are for
//! [outcome rules](crate::OutcomeRules).

mod error;
mod head;
mod rules;
mod strategy;
mod threshold;
mod tracestate;

pub use error::SamplingError;
pub use head::HeadSampler;
pub use rules::{AlwaysKeep, Sampling};
pub use strategy::SamplingStrategy;
pub use tracestate::adjusted_count;

pub(crate) use strategy::check_ratio;
pub(crate) use threshold::{Threshold, randomness_of};
pub(crate) use tracestate::{randomness, threshold, with_threshold};

#[cfg(test)]
mod tests;
