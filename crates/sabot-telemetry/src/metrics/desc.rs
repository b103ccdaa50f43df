//! What a metric is called and what it measures.
//!
//! Names are made valid here, once, so that no metric (some are named by users) can break a scrape.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bounds in seconds for batches and commits: half a millisecond to ten seconds.
pub const SECONDS_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds for counts of rows, bytes and the like: powers of four up to a million.
pub const COUNT_BUCKETS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

/// What a metric measures over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl MetricKind {
    /// `counter`, `gauge` or `histogram`, as both exposition formats spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The description of a metric; every series of it shares one.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricDesc {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: MetricKind,
    pub(super) unit: Cow<'static, str>,
    pub(super) component: Option<Cow<'static, str>>,
    pub(super) labels: Arc<[Cow<'static, str>]>,
    pub(super) help: Cow<'static, str>,
    buckets: Option<Arc<[f64]>>,
}

impl MetricDesc {
    /// A metric without unit and labels. Characters a Prometheus name cannot hold become `_`.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: MetricKind, help: impl Into<Cow<'static, str>>) -> Self {
        let mut name = valid_name(name.into(), ":");
        if name == "_total" {
            // Nothing would be left of it in `OpenMetrics`.
            name.to_mut().insert(0, '_');
        }
        Self {
            name,
            kind,
            unit: Cow::Borrowed(""),
            component: None,
            labels: Arc::new([]),
            help: help.into(),
            buckets: None,
        }
    }

    /// The base unit, such as `seconds`, `bytes` or `ratio`; the name should end in it. `1` is how OpenTelemetry writes
    /// that a count has none.
    #[must_use]
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        let unit = unit.into();
        self.unit = if unit.is_empty() || unit == "1" { Cow::Borrowed("") } else { valid_name(unit, "") };
        self
    }

    /// Label names in the order in which their values will be given. Invalid characters become `_`; a name that is
    /// reserved or there already gets a `_` behind it.
    #[must_use]
    pub fn with_labels<L: Into<Cow<'static, str>>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        let mut seen = BTreeSet::new();
        self.labels = labels.into_iter().map(|label| valid_label(label.into(), &mut seen)).collect();
        self
    }

    /// The part of the program it belongs to, for grouping.
    #[must_use]
    pub fn with_component(mut self, component: impl Into<Cow<'static, str>>) -> Self {
        self.component = Some(component.into());
        self
    }

    /// Bucket bounds of a histogram; put in order, with repeated and non-finite ones left out. Unless given, they are
    /// [`SECONDS_BUCKETS`] when the unit is `seconds` and [`COUNT_BUCKETS`] otherwise.
    #[must_use]
    pub fn with_buckets(mut self, bounds: impl IntoIterator<Item = f64>) -> Self {
        let mut bounds: Vec<f64> = bounds.into_iter().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        self.buckets = Some(bounds.into());
        self
    }

    /// The name in Prometheus text.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name `OpenMetrics` knows the metric by: a counter's without `_total`.
    pub(super) fn family_name(&self) -> &str {
        match self.kind {
            MetricKind::Counter => self.name.strip_suffix("_total").unwrap_or(&self.name),
            MetricKind::Gauge | MetricKind::Histogram => &self.name,
        }
    }

    pub(super) fn bounds(&self) -> Arc<[f64]> {
        match &self.buckets {
            Some(bounds) => Arc::clone(bounds),
            None if self.unit == "seconds" => SECONDS_BUCKETS.into(),
            None => COUNT_BUCKETS.into(),
        }
    }
}

/// A label name both formats take, made from any key. Different keys may become the same name.
pub(super) fn valid_label_name(key: &str) -> String {
    valid_label(key.to_owned().into(), &mut BTreeSet::new()).into_owned()
}

fn valid_label(name: Cow<'static, str>, seen: &mut BTreeSet<Cow<'static, str>>) -> Cow<'static, str> {
    let mut name = valid_name(name, "");
    loop {
        if name.starts_with("__") {
            name.to_mut().insert_str(0, "label");
        } else if name == "le" || seen.contains(&name) {
            name.to_mut().push('_');
        } else {
            seen.insert(name.clone());
            return name;
        }
    }
}

fn valid_name(name: Cow<'static, str>, also_valid: &str) -> Cow<'static, str> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || also_valid.contains(c);
    if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_valid) {
        return name;
    }
    let valid = name.chars().map(|c| if is_valid(c) { c } else { '_' });
    let start = name.chars().next().is_none_or(|c| c.is_ascii_digit()).then_some('_');
    start.into_iter().chain(valid).collect::<String>().into()
}
