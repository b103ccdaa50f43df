//! A metric as OpenTelemetry describes it: a dotted name, a UCUM unit, and attributes that nobody lists beforehand.

use std::borrow::Cow;
use std::sync::Arc;

use super::naming::prometheus_name;
use super::{MetricDesc, MetricKind, SECONDS_BUCKETS};
use crate::record::Scope;

/// Bounds of a histogram whose unit is not seconds, unless given: the default of the OpenTelemetry specification.
pub const OTEL_BUCKETS: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0];

/// Most bytes of a name, as the specification has it.
const MAX_NAME_BYTES: usize = 255;
/// Most bounds of a histogram.
const MAX_BOUNDS: usize = 1_000;

/// What an instrument does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstrumentKind {
    /// Adds up and only grows.
    Counter,
    /// Adds up and may shrink; a gauge to Prometheus, and a sum that is not monotonic in OTLP.
    UpDownCounter,
    /// Keeps the last value.
    Gauge,
    /// Keeps a distribution.
    Histogram,
}

impl InstrumentKind {
    /// What Prometheus takes it for.
    pub const fn metric_kind(self) -> MetricKind {
        match self {
            Self::Counter => MetricKind::Counter,
            Self::UpDownCounter | Self::Gauge => MetricKind::Gauge,
            Self::Histogram => MetricKind::Histogram,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The description of a metric with open attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct InstrumentDesc {
    /// The name as it was given, such as `processor.events.processed`.
    pub name: Cow<'static, str>,
    /// What it does.
    pub kind: InstrumentKind,
    /// The unit in UCUM, such as `s`, `By` or `{event}`; empty when nothing was said.
    pub unit: Cow<'static, str>,
    /// What it measures.
    pub description: Cow<'static, str>,
    pub(super) buckets: Option<Arc<[f64]>>,
    pub(super) series_cap: Option<usize>,
}

impl InstrumentDesc {
    /// A metric of which the name and the kind are known.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: InstrumentKind) -> Self {
        let mut name = name.into();
        if name.len() > MAX_NAME_BYTES {
            let end = name.floor_char_boundary(MAX_NAME_BYTES);
            name.to_mut().truncate(end);
        }
        Self { name, kind, unit: Cow::Borrowed(""), description: Cow::Borrowed(""), buckets: None, series_cap: None }
    }

    /// The unit in UCUM. It becomes the end of the Prometheus name, and `s` gives a histogram bounds in seconds.
    #[must_use]
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.unit = unit.into();
        self
    }

    /// What it measures.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// Bucket bounds of a histogram; the first thousand, put in order, with repeated and non-finite ones left out.
    #[must_use]
    pub fn with_buckets(mut self, bounds: impl IntoIterator<Item = f64>) -> Self {
        self.buckets = Some(bounds.into_iter().take(MAX_BOUNDS).collect());
        self
    }

    /// Most series of this metric, instead of the registry's cap; at least one.
    #[must_use]
    pub fn with_series_cap(mut self, series: usize) -> Self {
        self.series_cap = Some(series.max(1));
        self
    }

    /// The same metric as Prometheus knows it.
    pub(super) fn to_metric(&self) -> MetricDesc {
        let (name, unit) = prometheus_name(&self.name, &self.unit, self.kind);
        // Prometheus' linter wants some help; the name in its own spelling is a little.
        let help = if self.description.is_empty() { self.name.clone() } else { self.description.clone() };
        let desc = MetricDesc::new(name, self.kind.metric_kind(), help).with_unit(unit.clone());
        let bounds = self.buckets.as_deref();
        match (self.kind, bounds) {
            (InstrumentKind::Histogram, Some(bounds)) => desc.with_buckets(bounds.iter().copied()),
            (InstrumentKind::Histogram, None) if unit == "seconds" => {
                desc.with_buckets(SECONDS_BUCKETS.iter().copied())
            }
            (InstrumentKind::Histogram, None) => desc.with_buckets(OTEL_BUCKETS.iter().copied()),
            _ => desc,
        }
    }
}

/// What a series with open attributes was made by, for OTLP.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The instrument.
    pub instrument: Arc<InstrumentDesc>,
    /// The library it belongs to, where that has been said.
    pub scope: Option<Arc<Scope>>,
    /// The attributes as they were given, under their own keys and with their own types.
    pub attributes: Arc<[crate::Attribute]>,
}
