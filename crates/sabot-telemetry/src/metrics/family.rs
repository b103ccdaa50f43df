//! All series of one metric, bounded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::instrument::Origin;
use super::open::OpenFamily;
use super::{Counter, Gauge, Histogram, MetricDesc, MetricKind};
use crate::clock::unix_nanos_now;

/// The value of every label of the series that stands for all series above the cap.
pub const OVERFLOW_LABEL_VALUE: &str = "__overflow__";

/// A metric and its series.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) desc: MetricDesc,
    series: Members,
}

#[derive(Debug)]
enum Members {
    /// By the values of the labels in the description.
    Bound(BTreeMap<Vec<String>, Since>),
    /// With labels of their own.
    Open(OpenFamily),
}

/// A series and when it began.
#[derive(Debug)]
struct Since {
    series: Series,
    unix_nano: u64,
}

/// One series as it is read.
pub(super) struct Entry<'a> {
    pub(super) labels: Pairs<'a>,
    pub(super) series: &'a Series,
    pub(super) since_unix_nano: u64,
    /// Where it came from, if its attributes are open.
    pub(super) origin: Option<&'a Origin>,
}

/// Label names with their values.
#[derive(Clone, Copy)]
pub(super) enum Pairs<'a> {
    Bound(&'a [Cow<'static, str>], &'a [String]),
    Open(&'a [(String, String)]),
}

impl<'a> Pairs<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (bound, open) = match self {
            Self::Bound(names, values) => (Some(names.iter().zip(values)), None),
            Self::Open(pairs) => (None, Some(pairs.iter())),
        };
        let bound = bound.into_iter().flatten().map(|(name, value)| (name.as_ref(), value.as_str()));
        bound.chain(open.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())))
    }
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
    #[error("metric \"{name}\" is a {known} already, and a {asked} was asked for")]
    OpenKind { name: String, known: &'static str, asked: &'static str },
    #[error("metric \"{name}\" is measured in \"{known}\" already, and \"{asked}\" was asked for")]
    Unit { name: String, known: String, asked: String },
    #[error("metric \"{name}\" is recorded by {most} libraries already, which is the limit")]
    Scopes { name: String, most: usize },
    #[error("metric \"{name}\" is one too many: {most} with open attributes are the limit")]
    Metrics { name: String, most: usize },
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
        Self { desc, series: Members::Bound(BTreeMap::new()) }
    }

    pub(super) fn open(desc: MetricDesc, open: OpenFamily) -> Self {
        Self { desc, series: Members::Open(open) }
    }

    /// The series with open attributes, if it is a metric of those.
    pub(super) fn as_open(&mut self) -> Option<&mut OpenFamily> {
        match &mut self.series {
            Members::Open(open) => Some(open),
            Members::Bound(_) => None,
        }
    }

    /// The description a series comes with has to agree with the one the family was made from.
    pub(super) fn admits(&self, desc: &MetricDesc) -> Result<(), BindError> {
        let is_bound = matches!(self.series, Members::Bound(_));
        if is_bound && self.desc.name == desc.name && self.desc.kind == desc.kind && self.desc.labels == desc.labels {
            return Ok(());
        }
        Err(self.conflict(desc.name()))
    }

    /// Why nothing else of this name fits in here.
    pub(super) fn conflict(&self, name: &str) -> BindError {
        let (known, known_name) = (self.desc.kind.as_str(), self.desc.name().to_owned());
        BindError::Conflict { name: name.to_owned(), known, known_name }
    }

    /// The series with these label values, or the overflow series once `cap` others exist. True if it was folded.
    pub(super) fn bind(&mut self, values: &[Cow<'_, str>], cap: usize) -> (Series, bool) {
        let desc = &self.desc;
        let Members::Bound(all) = &mut self.series else { return (Series::new(desc, desc.kind), false) };
        let key: Vec<String> = values.iter().map(|value| value.as_ref().to_owned()).collect();
        if let Some(known) = all.get(&key) {
            return (known.series.clone(), false);
        }
        let overflow = vec![OVERFLOW_LABEL_VALUE.to_owned(); values.len()];
        let regular = all.len() - usize::from(all.contains_key(&overflow));
        // A metric without labels has a single series, which is never in the way.
        let folded = regular >= cap && !values.is_empty();
        let begin = || Since { series: Series::new(desc, desc.kind), unix_nano: unix_nanos_now() };
        let bound = all.entry(if folded { overflow } else { key }).or_insert_with(begin);
        (bound.series.clone(), folded)
    }

    /// True if there was such a series.
    pub(super) fn remove(&mut self, values: &[Cow<'_, str>]) -> bool {
        let key: Vec<String> = values.iter().map(|value| value.as_ref().to_owned()).collect();
        match &mut self.series {
            Members::Bound(all) => all.remove(&key).is_some(),
            Members::Open(_) => false,
        }
    }

    /// Keeps the series that `keep` wants, and the overflow series, which stands for many; how many went.
    pub(super) fn retain(&mut self, keep: impl Fn(&[String]) -> bool) -> usize {
        let Members::Bound(all) = &mut self.series else { return 0 };
        let before = all.len();
        all.retain(|values, _| is_overflow(values) || keep(values));
        before - all.len()
    }

    /// Handles to its series count for nobody from now on.
    pub(super) fn retire(&self) {
        if let Members::Open(open) = &self.series {
            open.retire();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.series {
            Members::Bound(all) => all.is_empty(),
            Members::Open(open) => open.is_empty(),
        }
    }

    /// Visits all series by their labels, until `visit` fails.
    pub(super) fn visit<E>(&self, mut visit: impl FnMut(Entry<'_>) -> Result<(), E>) -> Result<(), E> {
        match &self.series {
            Members::Bound(all) => all.iter().try_for_each(|(values, Since { series, unix_nano })| {
                let labels = Pairs::Bound(&self.desc.labels, values);
                visit(Entry { labels, series, since_unix_nano: *unix_nano, origin: None })
            }),
            Members::Open(open) => open.series().iter().try_for_each(|(labels, open)| {
                let (series, since_unix_nano) = (&open.cells, open.since_unix_nano);
                visit(Entry { labels: Pairs::Open(labels), series, since_unix_nano, origin: Some(&open.origin) })
            }),
        }
    }
}
