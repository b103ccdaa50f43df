//! The operators of stream agents, one per file.

mod filter_project;
mod lookup;
mod metrics;
mod window;

pub(crate) use filter_project::FilterProject;
pub(crate) use lookup::LookupJoin;
pub use metrics::OperatorMetrics;
pub(crate) use window::{Window, WindowSpec};

/// An operator's error for the runtime.
pub(crate) fn failed<E: std::fmt::Display>(operator: &'static str) -> impl Fn(E) -> sabot_runtime::JobError {
    move |error| sabot_runtime::JobError::operator(operator, error)
}
