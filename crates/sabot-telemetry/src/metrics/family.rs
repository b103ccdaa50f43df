//! All series of one metric, bounded.

use std::collections::BTreeMap;

use super::{Counter, Gauge, Histogram, MetricDesc, MetricKind};

/// The value of every label of the series that stands for all series above the cap.
pub const OVERFLOW_LABEL_VALUE: &str = "__overflow__";

/// A metric and its series by label values.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) desc: MetricDesc,
    pub(super) series: BTreeMap<Vec<String>, Series>,
}

/// One series, whatever its kind.
#[derive(Clone, Debug)]
pub(super) enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// Why a series cannot be part of the registry.
#[derive(Debug, thiserror::Error)]
pub(super) enum BindError {
    #[error("metric \"{name}\" is a {described}, and a {asked} was asked for")]
    Kind { name: String, described: &'static str, asked: &'static str },
    #[error("metric \"{name}\" has {expected} labels, and {given} values were given")]
    Values { name: String, expected: usize, given: usize },
    #[error("metric \"{name}\" is already known as a {known} \"{known_name}\" with other labels or another kind")]
    Conflict { name: String, known: &'static str, known_name: String },
    #[error("metric \"{name}\" would have samples of the same name as metric \"{known_name}\"; give it another name")]
    Clash { name: String, known_name: String },
}

impl Series {
    pub(super) fn new(desc: &MetricDesc, kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => Self::Counter(Counter::default()),
            MetricKind::Gauge => Self::Gauge(Gauge::default()),
            MetricKind::Histogram => Self::Histogram(Histogram::new(desc.bounds())),
        }
    }
}

/// Whether a series of `kind` with these label values fits the description.
pub(super) fn check(desc: &MetricDesc, kind: MetricKind, values: &[&str]) -> Result<(), BindError> {
    if desc.kind != kind {
        let (described, asked) = (desc.kind.as_str(), kind.as_str());
        return Err(BindError::Kind { name: desc.name().to_owned(), described, asked });
    }
    if desc.labels.len() != values.len() {
        let (expected, given) = (desc.labels.len(), values.len());
        return Err(BindError::Values { name: desc.name().to_owned(), expected, given });
    }
    Ok(())
}

/// What the formats put behind a family's name in its samples.
const fn suffixes(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Counter => &["", "_total", "_created"],
        MetricKind::Gauge => &[""],
        MetricKind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
    }
}

/// A family that has samples of a name which a new one would use too. Scrapers refuse the whole text for one such pair.
pub(super) fn clashing<'a>(families: &'a BTreeMap<String, Family>, base: &str, kind: MetricKind) -> Option<&'a Family> {
    let owner = |name: &str| {
        let stems = suffixes(MetricKind::Counter).iter().chain(suffixes(MetricKind::Histogram));
        let stems = stems.filter_map(|suffix| Some((*suffix, families.get(name.strip_suffix(suffix)?)?)));
        stems.into_iter().find_map(|(suffix, family)| suffixes(family.desc.kind).contains(&suffix).then_some(family))
    };
    suffixes(kind).iter().find_map(|suffix| owner(&format!("{base}{suffix}")))
}

fn is_overflow(values: &[String]) -> bool {
    !values.is_empty() && values.iter().all(|value| value == OVERFLOW_LABEL_VALUE)
}

impl Family {
    pub(super) fn new(desc: MetricDesc) -> Self {
        Self { desc, series: BTreeMap::new() }
    }

    /// The description a series comes with has to agree with the one the family was made from.
    pub(super) fn admits(&self, desc: &MetricDesc) -> Result<(), BindError> {
        if self.desc.name == desc.name && self.desc.kind == desc.kind && self.desc.labels == desc.labels {
            return Ok(());
        }
        let (known, known_name) = (self.desc.kind.as_str(), self.desc.name().to_owned());
        Err(BindError::Conflict { name: desc.name().to_owned(), known, known_name })
    }

    /// The series with these label values, or the overflow series once `cap` others exist. True if it was folded.
    pub(super) fn bind(&mut self, values: &[&str], cap: usize) -> (Series, bool) {
        let key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        if let Some(series) = self.series.get(&key) {
            return (series.clone(), false);
        }
        let overflow = vec![OVERFLOW_LABEL_VALUE.to_owned(); values.len()];
        let regular = self.series.len() - usize::from(self.series.contains_key(&overflow));
        // A metric without labels has a single series, which is never in the way.
        let folded = regular >= cap && !values.is_empty();
        let desc = &self.desc;
        let series =
            self.series.entry(if folded { overflow } else { key }).or_insert_with(|| Series::new(desc, desc.kind));
        (series.clone(), folded)
    }

    /// True if there was such a series.
    pub(super) fn remove(&mut self, values: &[&str]) -> bool {
        let key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        self.series.remove(&key).is_some()
    }

    /// Keeps the series that `keep` wants, and the overflow series, which stands for many; how many went.
    pub(super) fn retain(&mut self, keep: impl Fn(&[String]) -> bool) -> usize {
        let before = self.series.len();
        self.series.retain(|values, _| is_overflow(values) || keep(values));
        before - self.series.len()
    }
}
