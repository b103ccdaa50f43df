//! A small metrics registry: handles bound once and updated without locks, read as text or as samples.
//!
//! It exists because the Rust SDK records no exemplars and its Prometheus exporter drops them. Invariant: the number of
//! series is bounded per metric, and what is read never breaks the exposition formats, whatever the labels hold.

mod atomic;
mod counter;
mod desc;
mod family;
mod gauge;
mod histogram;
mod registry;
mod sample;
mod text;

pub use counter::Counter;
pub use desc::{COUNT_BUCKETS, MetricDesc, MetricKind, SECONDS_BUCKETS};
pub use family::OVERFLOW_LABEL_VALUE;
pub use gauge::Gauge;
pub use histogram::{Exemplar, Histogram, HistogramBucket};
pub use registry::{DEFAULT_SERIES_CAP, Registry};
pub use sample::{MetricSample, quantile};
pub use text::{OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE};
