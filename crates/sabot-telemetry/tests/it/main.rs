//! Behaviour of the crate as its users see it.

mod metrics;
mod spans;
