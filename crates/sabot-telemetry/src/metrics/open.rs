//! Metrics whose attributes nobody lists beforehand.
//!
//! A series is found by the attributes as they were given, in a table that is read without locks and without copying
//! anything; only the first observation of a set takes the lock. Series are told apart by their labels, so attributes
//! that would read the same in Prometheus (`a.b` and `a_b`, `1` and `"1"`, an empty value and none) share one.
//!
//! Invariant: there are at most as many series as the cap says. Sets seen first after that are counted in one series that
//! is marked [`OVERFLOW_ATTRIBUTE`], so that sums over all series stay exact.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use super::MetricDesc;
use super::attributes::{Labels, MAX_ATTRIBUTES, MetricAttribute, hash_of, is_same, kept, kept_key, labels_of};
use super::family::{BindError, Series};
use super::instrument::{InstrumentDesc, Origin};
use super::trie::Trie;
use crate::clock::unix_nanos_now;
use crate::record::{Attribute, AttributeValue, Scope};
use crate::redaction::Redactor;
use crate::sync::lock;

mod observed;
mod series;

pub(crate) use observed::{Observer, Round};
pub(crate) use series::OpenSeries;

/// The attribute, true, of the series that stands for all sets of attributes above the cap: OpenTelemetry's name.
pub const OVERFLOW_ATTRIBUTE: &str = "otel.metric.overflow";

/// Most libraries that may record the same metric.
const MAX_SCOPES: usize = 64;

/// What happened to observations that could not be counted where they belong.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Those that were counted in an overflow series.
    pub(super) folded: AtomicU64,
    /// Those that were counted nowhere.
    pub(super) refused: AtomicU64,
}

/// A metric with open attributes, and its instruments by scope.
#[derive(Debug)]
pub(super) struct OpenFamily {
    shared: Arc<Shared>,
    instruments: Vec<Arc<Instrument>>,
}

/// The series of one metric, whichever library they are from.
#[derive(Debug)]
struct Shared {
    desc: Arc<InstrumentDesc>,
    metric: MetricDesc,
    cap: usize,
    /// Series that count towards the cap.
    regular: AtomicUsize,
    is_gone: AtomicBool,
    series: Mutex<BTreeMap<Arc<Labels>, Arc<OpenSeries>>>,
    losses: Arc<Losses>,
    /// Looks at the attributes of a series once, when it begins.
    redactor: Option<Arc<Redactor>>,
}

/// A metric as one library records it.
#[derive(Debug)]
pub(crate) struct Instrument {
    shared: Arc<Shared>,
    scope: Option<Arc<Scope>>,
    known: Trie<Known>,
    known_count: AtomicUsize,
    /// The series without attributes.
    plain: OnceLock<Arc<OpenSeries>>,
    overflow: OnceLock<Arc<OpenSeries>>,
}

/// A set of attributes as it was given.
#[derive(Debug)]
struct Known {
    base: Arc<[Attribute]>,
    given: Box<[Attribute]>,
    /// No key comes twice, so another order is the same set.
    is_distinct: bool,
    series: Arc<OpenSeries>,
}

/// Attributes that come before those of each observation.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    attributes: Arc<[Attribute]>,
    hash: u64,
}

/// One for all, so that two empty bases are seen to be the same.
static EMPTY: LazyLock<Arc<[Attribute]>> = LazyLock::new(|| Arc::new([]));

impl Default for Base {
    fn default() -> Self {
        Self { attributes: Arc::clone(&EMPTY), hash: 0 }
    }
}

impl Base {
    /// Adds an attribute, or replaces the one of the same key.
    pub(crate) fn set(&mut self, attribute: Attribute) {
        let mut attributes = self.attributes.to_vec();
        if let Some(earlier) = attributes.iter_mut().find(|(key, _)| *key == attribute.0) {
            *earlier = attribute;
        } else if attributes.len() < MAX_ATTRIBUTES {
            attributes.push(attribute);
        }
        self.hash = hash_of(&attributes);
        self.attributes = attributes.into();
    }
}

impl Known {
    #[inline]
    fn is<A: MetricAttribute>(&self, base: &Base, given: &[A]) -> bool {
        // The base is kept alive here, so the same address is the same base.
        let is_as_given = Arc::ptr_eq(&self.base, &base.attributes)
            && self.given.len() == given.len()
            && self.given.iter().zip(given).all(|(kept, given)| is_same(given, kept));
        is_as_given || self.is_otherwise(base, given)
    }

    /// Whether it is the same set in another order, or from another base.
    #[inline(never)]
    fn is_otherwise<A: MetricAttribute>(&self, base: &Base, given: &[A]) -> bool {
        if self.base.len() + self.given.len() != base.attributes.len() + given.len() {
            return false;
        }
        let is_given = |kept: &Attribute| {
            given.iter().any(|given| is_same(given, kept)) || base.attributes.iter().any(|given| is_same(given, kept))
        };
        let mut all = self.base.iter().chain(&self.given);
        if self.is_distinct {
            return all.all(is_given);
        }
        base.attributes.iter().zip(&mut all).all(|(given, kept)| is_same(given, kept))
            && given.iter().zip(all).all(|(given, kept)| is_same(given, kept))
    }
}

impl OpenFamily {
    pub(super) fn new(
        desc: InstrumentDesc,
        metric: MetricDesc,
        default_cap: usize,
        losses: Arc<Losses>,
        redactor: Option<Arc<Redactor>>,
    ) -> Self {
        let shared = Shared {
            cap: desc.series_cap.unwrap_or(default_cap),
            desc: Arc::new(desc),
            metric,
            regular: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
            series: Mutex::default(),
            losses,
            redactor,
        };
        Self { shared: Arc::new(shared), instruments: Vec::new() }
    }

    /// Whether an instrument of this description may record here. What was not said is no contradiction.
    pub(super) fn admits(&self, desc: &InstrumentDesc) -> Result<(), BindError> {
        let known = &self.shared.desc;
        if known.kind != desc.kind {
            let (known, asked) = (known.kind.as_str(), desc.kind.as_str());
            return Err(BindError::OpenKind { name: desc.name.clone().into_owned(), known, asked });
        }
        if known.unit != desc.unit && !known.unit.is_empty() && !desc.unit.is_empty() {
            let (known, asked) = (known.unit.clone().into_owned(), desc.unit.clone().into_owned());
            return Err(BindError::Unit { name: desc.name.clone().into_owned(), known, asked });
        }
        Ok(())
    }

    /// The instrument of a library; there is one, however often it is asked for.
    pub(super) fn instrument(&mut self, scope: Option<&Scope>) -> Result<Arc<Instrument>, BindError> {
        let mut known = self.instruments.iter();
        if let Some(instrument) = known.find(|instrument| instrument.scope.as_deref() == scope) {
            return Ok(Arc::clone(instrument));
        }
        if self.instruments.len() >= MAX_SCOPES {
            let name = self.shared.desc.name.clone().into_owned();
            return Err(BindError::Scopes { name, most: MAX_SCOPES });
        }
        let instrument = Arc::new(Instrument {
            shared: Arc::clone(&self.shared),
            scope: scope.cloned().map(Arc::new),
            known: Trie::default(),
            known_count: AtomicUsize::new(0),
            plain: OnceLock::new(),
            overflow: OnceLock::new(),
        });
        self.instruments.push(Arc::clone(&instrument));
        Ok(instrument)
    }

    /// Its handles count for nobody from now on.
    pub(super) fn retire(&self) {
        self.shared.is_gone.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.shared.series).is_empty()
    }

    /// All series with their labels, by labels.
    pub(super) fn series(&self) -> Vec<(Arc<Labels>, Arc<OpenSeries>)> {
        lock(&self.shared.series).iter().map(|(labels, series)| (Arc::clone(labels), Arc::clone(series))).collect()
    }
}

impl Shared {
    fn is_full(&self) -> bool {
        self.regular.load(Ordering::Relaxed) >= self.cap
    }

    /// Attributes as they are exported.
    fn shown(&self, mut attributes: Vec<Attribute>) -> Vec<Attribute> {
        if let Some(redactor) = &self.redactor {
            redactor.attributes(&mut attributes);
        }
        attributes
    }
}

impl Instrument {
    /// Whether the metric was [forgotten](crate::Registry::forget).
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.shared.is_gone.load(Ordering::Relaxed)
    }

    /// Hands the series of these attributes to `record`. Attributes beyond the limit are left out.
    #[inline]
    pub(crate) fn with_series<A: MetricAttribute>(&self, base: &Base, given: &[A], record: impl FnOnce(&OpenSeries)) {
        let given = given.get(..MAX_ATTRIBUTES).unwrap_or(given);
        if given.is_empty() && base.attributes.is_empty() {
            return record(self.plain());
        }
        let hash = base.hash.wrapping_add(hash_of(given));
        match self.known.find(hash, |known| known.is(base, given)) {
            Some(known) => record(&known.series),
            None => record(&self.meet(hash, base, given)),
        }
    }

    /// The series of these attributes, for somebody who will keep it.
    pub(crate) fn bind<A: MetricAttribute>(&self, base: &Base, given: &[A]) -> Arc<OpenSeries> {
        let given = given.get(..MAX_ATTRIBUTES).unwrap_or(given);
        if given.is_empty() && base.attributes.is_empty() {
            return Arc::clone(self.plain());
        }
        let hash = base.hash.wrapping_add(hash_of(given));
        match self.known.find(hash, |known| known.is(base, given)) {
            Some(known) => Arc::clone(&known.series),
            None => self.meet(hash, base, given),
        }
    }

    /// The series without attributes, of which there is one, never in the way of others.
    #[inline]
    fn plain(&self) -> &Arc<OpenSeries> {
        self.plain.get_or_init(|| {
            let mut series = lock(&self.shared.series);
            let found = series.entry(self.labels(&[]).into()).or_insert_with(|| self.new_series(Vec::new()));
            Arc::clone(found)
        })
    }

    /// The series of a set of attributes that was not seen before.
    #[cold]
    fn meet<A: MetricAttribute>(&self, hash: u64, base: &Base, given: &[A]) -> Arc<OpenSeries> {
        let has_room = self.known_count.load(Ordering::Relaxed) <= 2 * self.shared.cap;
        // Spellings are bounded too.
        if self.shared.is_full() || !has_room {
            return self.fold();
        }
        let exact = kept_as_given(base, given);
        let attributes = kept(exact.iter());
        let is_distinct = attributes.len() == exact.len();
        let attributes = self.shared.shown(attributes);
        let mut series = lock(&self.shared.series);
        let Some(found) = self.find_or_add(&mut series, attributes) else {
            drop(series);
            return self.fold();
        };
        let given_only = exact.into_iter().skip(base.attributes.len()).collect();
        let base_only = Arc::clone(&base.attributes);
        let known = Known { base: base_only, given: given_only, is_distinct, series: Arc::clone(&found) };
        // What was cut would not be recognised. Somebody else may have been here in between.
        if known.is(base, given) && self.known.find(hash, |known| known.is(base, given)).is_none() {
            self.known.insert(hash, known);
            self.known_count.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// The series with the labels of these attributes; none if there is no room for another.
    fn find_or_add(
        &self,
        series: &mut BTreeMap<Arc<Labels>, Arc<OpenSeries>>,
        attributes: Vec<Attribute>,
    ) -> Option<Arc<OpenSeries>> {
        let labels = self.labels(&attributes);
        if let Some(found) = series.get(&labels) {
            return Some(Arc::clone(found));
        }
        // The series without attributes is not counted.
        if !attributes.is_empty() {
            if self.shared.is_full() {
                return None;
            }
            self.shared.regular.fetch_add(1, Ordering::Relaxed);
        }
        let new = self.new_series(attributes);
        series.insert(labels.into(), Arc::clone(&new));
        Some(new)
    }

    fn new_series(&self, attributes: Vec<Attribute>) -> Arc<OpenSeries> {
        let Shared { desc, metric, .. } = &*self.shared;
        let cells = Series::new(metric, metric.kind);
        let origin = Origin { instrument: Arc::clone(desc), scope: self.scope.clone(), attributes: attributes.into() };
        Arc::new(OpenSeries::new(origin, cells, unix_nanos_now()))
    }

    /// The series for everything above the cap, for an observation that goes there.
    fn fold(&self) -> Arc<OpenSeries> {
        self.shared.losses.folded.fetch_add(1, Ordering::Relaxed);
        self.overflow()
    }

    fn overflow(&self) -> Arc<OpenSeries> {
        let overflow = self.overflow.get_or_init(|| {
            let attributes = vec![(OVERFLOW_ATTRIBUTE.into(), AttributeValue::Bool(true))];
            let labels = self.labels(&attributes);
            let mut series = lock(&self.shared.series);
            Arc::clone(series.entry(labels.into()).or_insert_with(|| self.new_series(attributes)))
        });
        Arc::clone(overflow)
    }

    /// Labels of a series: of its attributes, and of the library that records it.
    fn labels(&self, attributes: &[Attribute]) -> Labels {
        let mut labels = labels_of(attributes);
        if let Some(scope) = &self.scope {
            let of_scope = [("otel_scope_name", Some(&scope.name)), ("otel_scope_version", scope.version.as_ref())];
            for (label, value) in of_scope.into_iter().filter_map(|(label, value)| Some((label, value?))) {
                labels.retain(|(name, _)| name != label);
                if !value.is_empty() {
                    labels.push((label.to_owned(), value.as_str().to_owned()));
                }
            }
            labels.sort();
        }
        labels
    }
}

/// A copy of the attributes in the order in which they were given.
fn kept_as_given<A: MetricAttribute>(base: &Base, given: &[A]) -> Vec<Attribute> {
    let copies = given.iter().map(|given| (kept_key(given), given.value().to_value()));
    base.attributes.iter().cloned().chain(copies).collect()
}

#[cfg(test)]
mod tests;
