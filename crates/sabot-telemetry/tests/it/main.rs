//! Behaviour of the crate as its users see it.

mod ambient;
mod metrics;
mod spans;
