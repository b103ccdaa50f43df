//! A small metrics registry: handles bound once and updated without locks, read as text or as samples.
//!
//! It exists because the Rust SDK records no exemplars and its Prometheus exporter drops them. Invariant: the number of
//! series is bounded per metric, and what is read never breaks the exposition formats, whatever the labels hold.
//!
//! There are two ways in. A metric whose labels are listed in a [`MetricDesc`] gives handles that are bound beforehand. One
//! whose attributes are open, recorded by name or through OpenTelemetry's API, looks its series up at each observation.

mod accept;
mod atomic;
mod attributes;
mod counter;
mod current;
mod desc;
mod exemplar;
mod family;
mod gauge;
mod histogram;
mod instrument;
mod naming;
mod open;
mod registry;
mod sample;
mod text;
mod trie;
mod turn;

pub use attributes::{LabelList, LabelValue, MetricAttribute};
pub use counter::Counter;
pub use desc::{COUNT_BUCKETS, MetricDesc, MetricKind, SECONDS_BUCKETS};
pub use exemplar::Exemplar;
pub use family::OVERFLOW_LABEL_VALUE;
pub use gauge::Gauge;
pub use histogram::{Histogram, HistogramBucket};
pub use instrument::{InstrumentDesc, InstrumentKind, OTEL_BUCKETS, Origin};
pub use open::OVERFLOW_ATTRIBUTE;
pub use registry::{DEFAULT_SERIES_CAP, Registry};
pub use sample::{MetricSample, quantile};
pub use text::{OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE};

#[cfg(feature = "prometheus-server")]
pub(crate) use accept::weight;
pub(crate) use attributes::hash_of_name;
pub(crate) use open::{Base, Instrument, Observer, OpenSeries, Round};
pub(crate) use trie::Trie;
