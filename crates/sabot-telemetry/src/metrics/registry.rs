//! Where metrics are bound, removed and read.
//!
//! The lock here guards the list of series, not their values: a bound handle never takes it.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::accept::prefers_openmetrics;
use super::attributes::{Labels, labels_of};
use super::family::{BindError, Family, Series, check, clashing};
use super::instrument::InstrumentDesc;
use super::open::{Instrument, Losses, OpenFamily};
use super::sample::samples;
use super::text::{Exposition, Format, OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE};
use super::turn::Turn;
use super::{Counter, Gauge, Histogram, MetricDesc, MetricKind, MetricSample};
use crate::record::{Attribute, AttributeValue, Resource, Scope};
use crate::redaction::Redactor;
use crate::sync::lock;
use crate::text::Text;

/// Series per metric unless configured otherwise.
pub const DEFAULT_SERIES_CAP: usize = 2_000;

/// Most metrics with open attributes; their names may come from anywhere.
const MAX_OPEN_METRICS: usize = 2_000;
/// Most metrics that are warned about.
const MAX_WARNINGS: usize = 1_000;
/// Most observers, so that a reading ends.
const MAX_OBSERVERS: usize = 1_000;
/// How long a reading waits for another that asks the callbacks, before it goes on with the values there are.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether it wants to be called again.
type Callback = Arc<dyn Fn() -> bool + Send + Sync>;

thread_local! {
    /// The registry whose callbacks this thread is running.
    static REFRESHING: Cell<usize> = const { Cell::new(0) };
}

/// All metrics of a service. A handle: clones are the same registry.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    series_cap: usize,
    losses: Arc<Losses>,
    /// By `OpenMetrics` family name, so that no two metrics collide in either format.
    families: Mutex<BTreeMap<String, Family>>,
    /// The family name of each metric with open attributes, by its own. Locked before the families.
    opened: Mutex<BTreeMap<String, String>>,
    warned: Mutex<BTreeSet<String>>,
    /// What is said about the process, as labels.
    target: Mutex<Labels>,
    callbacks: Mutex<Vec<Callback>>,
    /// One reading at a time asks the callbacks.
    refreshing: Turn,
    /// Takes secrets out of labels.
    redactor: Option<Arc<Redactor>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("series_cap", &self.series_cap).finish_non_exhaustive()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// An empty registry with the default cap.
    pub fn new() -> Self {
        Self::with_series_cap(DEFAULT_SERIES_CAP)
    }

    /// An empty registry with at most `series_cap` series per metric, and one more for what is above it.
    pub fn with_series_cap(series_cap: usize) -> Self {
        Self::build(series_cap, PATIENCE, None)
    }

    /// An empty registry whose labels go through `redactor` when their series begins.
    pub(crate) fn with_redactor(redactor: Arc<Redactor>) -> Self {
        Self::build(DEFAULT_SERIES_CAP, PATIENCE, Some(redactor))
    }

    pub(super) fn build(series_cap: usize, patience: Duration, redactor: Option<Arc<Redactor>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                series_cap,
                losses: Arc::default(),
                families: Mutex::default(),
                opened: Mutex::default(),
                warned: Mutex::default(),
                target: Mutex::default(),
                callbacks: Mutex::default(),
                refreshing: Turn::new(patience),
                redactor,
            }),
        }
    }

    /// Binds the counter with these label values, in the order of the description. A description that contradicts an
    /// earlier one, or the wrong number of values, is logged and gives a handle that is not exported.
    pub fn counter(&self, desc: &MetricDesc, values: &[&str]) -> Counter {
        match self.bind(desc, MetricKind::Counter, values) {
            Series::Counter(counter) => counter,
            Series::Gauge(_) | Series::Histogram(_) => Counter::default(),
        }
    }

    /// Binds a gauge, as [`counter`](Self::counter) does.
    pub fn gauge(&self, desc: &MetricDesc, values: &[&str]) -> Gauge {
        match self.bind(desc, MetricKind::Gauge, values) {
            Series::Gauge(gauge) => gauge,
            Series::Counter(_) | Series::Histogram(_) => Gauge::default(),
        }
    }

    /// Binds a histogram, as [`counter`](Self::counter) does.
    pub fn histogram(&self, desc: &MetricDesc, values: &[&str]) -> Histogram {
        match self.bind(desc, MetricKind::Histogram, values) {
            Series::Histogram(histogram) => histogram,
            Series::Counter(_) | Series::Gauge(_) => Histogram::new(desc.bounds()),
        }
    }

    /// Stops exporting a series, for something that no longer exists. Handles to it stay usable but count for nobody.
    /// True if there was such a series.
    pub fn remove(&self, desc: &MetricDesc, values: &[&str]) -> bool {
        let mut families = lock(&self.shared.families);
        families
            .get_mut(desc.family_name())
            .filter(|family| family.admits(desc).is_ok())
            .is_some_and(|family| family.remove(&self.shown(desc, values)))
    }

    /// Stops exporting the series of a metric whose label values `keep` refuses, for things that no longer exist; how
    /// many went. The values come in the order of the metric's labels.
    ///
    /// A handle that something still holds is not bound again by itself: refuse only what nobody writes any more. Metrics
    /// with open attributes keep their series.
    pub fn retain(&self, metric: &str, keep: impl Fn(&[String]) -> bool) -> usize {
        let mut families = lock(&self.shared.families);
        let family = families.values_mut().find(|family| family.desc.name == metric);
        family.map_or(0, |family| family.retain(keep))
    }

    /// Stops exporting a metric altogether; whether there was one. It may come back with another description.
    pub fn forget(&self, metric: &str) -> bool {
        let mut opened = lock(&self.shared.opened);
        let mut families = lock(&self.shared.families);
        let before = families.len();
        families.retain(|_, family| {
            let is_kept = family.desc.name != metric;
            if !is_kept {
                family.retire();
            }
            is_kept
        });
        opened.retain(|_, base| families.contains_key(base));
        families.len() < before
    }

    /// Says what a metric with open attributes is before it is first recorded: unit, description, buckets, cap. The first
    /// description stays. False if this one contradicts it in kind, unit or name, which is warned about.
    pub fn describe(&self, desc: InstrumentDesc) -> bool {
        self.instrument(desc, None).is_some()
    }

    /// Calls `refresh` before every reading, to set gauges and [raise](Counter::raise_to) totals kept elsewhere. It may
    /// bind and remove series, and read the registry, which then does not call it again. One that panics is warned about,
    /// and the reading goes on. While one hangs, other readings go on without it.
    pub fn on_collect(&self, refresh: Box<dyn Fn() + Send + Sync>) {
        self.on_collect_while(always(refresh));
    }

    /// As [`on_collect`](Self::on_collect), until the callback answers false.
    pub(crate) fn on_collect_while(&self, refresh: Box<dyn Fn() -> bool + Send + Sync>) {
        lock(&self.shared.callbacks).push(Arc::from(refresh));
    }

    /// As [`on_collect`](Self::on_collect), for callbacks that users register; false if there are too many.
    pub(crate) fn try_on_collect(&self, refresh: Box<dyn Fn() + Send + Sync>) -> bool {
        let mut callbacks = lock(&self.shared.callbacks);
        let has_room = callbacks.len() < MAX_OBSERVERS;
        if has_room {
            callbacks.push(Arc::from(always(refresh)));
        }
        has_room
    }

    /// How often a series was asked for that had to be folded into its metric's overflow series; for metrics with open
    /// attributes, how many observations were.
    pub fn folded(&self) -> u64 {
        self.shared.losses.folded.load(Ordering::Relaxed)
    }

    /// Observations of metrics with open attributes that were counted nowhere, because they contradict what is known of
    /// their metric: another kind, another unit, a name that is taken.
    pub fn refused(&self) -> u64 {
        self.shared.losses.refused.load(Ordering::Relaxed)
    }

    /// All metrics as Prometheus text 0.0.4; see [`PROMETHEUS_CONTENT_TYPE`](super::PROMETHEUS_CONTENT_TYPE).
    pub fn prometheus_text(&self) -> String {
        self.text(Format::Prometheus)
    }

    /// All metrics as `OpenMetrics` 1.0, with exemplars; see
    /// [`OPENMETRICS_CONTENT_TYPE`](super::OPENMETRICS_CONTENT_TYPE).
    pub fn openmetrics_text(&self) -> String {
        self.text(Format::OpenMetrics)
    }

    fn text(&self, format: Format) -> String {
        let target = lock(&self.shared.target).clone();
        self.read(|families| Exposition { families, target: &target, format }.to_string())
    }

    /// Says with the text what is known about the process, as the metric `target_info` that the OpenTelemetry
    /// specification has for it. Nothing is said unless this is called.
    pub fn set_target(&self, resource: &Resource) {
        let service = (Text::Static("service.name"), AttributeValue::Str(resource.service_name.clone()));
        let attributes: Vec<Attribute> = std::iter::once(service).chain(resource.attributes.iter().cloned()).collect();
        *lock(&self.shared.target) = labels_of(&attributes);
    }

    /// What a scraper with this `accept` header gets, and its content type: `OpenMetrics` if that is asked for, and else
    /// Prometheus' own text. For `/metrics` of a service that has a server already.
    ///
    /// ```
    /// let registry = sabot_telemetry::Registry::new();
    /// let (content_type, text) = registry.text_for("application/openmetrics-text;version=1.0.0, text/plain;q=0.5");
    /// assert!(content_type.starts_with("application/openmetrics-text"));
    /// assert!(text.ends_with("# EOF\n"));
    /// assert!(registry.text_for("*/*").0.starts_with("text/plain"));
    /// ```
    pub fn text_for(&self, accept: &str) -> (&'static str, String) {
        if prefers_openmetrics(accept) {
            (OPENMETRICS_CONTENT_TYPE, self.openmetrics_text())
        } else {
            (PROMETHEUS_CONTENT_TYPE, self.prometheus_text())
        }
    }

    /// All series as values, by name and then by labels.
    pub fn snapshot(&self) -> Vec<MetricSample> {
        self.read(|families| {
            let mut all = Vec::new();
            for family in families.values() {
                samples(family, &mut all);
            }
            all
        })
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<String, Family>) -> T) -> T {
        self.refresh();
        read(&lock(&self.shared.families))
    }

    fn refresh(&self) {
        let here = Arc::as_ptr(&self.shared).addr();
        if REFRESHING.get() == here {
            return;
        }
        let Some(_alone) = self.shared.refreshing.take() else {
            tracing::warn!("a callback that refreshes metrics does not come to an end; they keep the values they had");
            return;
        };
        let outer = REFRESHING.replace(here);
        // Called without the families' lock, because they bind series and take their time.
        let callbacks = lock(&self.shared.callbacks).clone();
        for refresh in callbacks {
            match catch_unwind(AssertUnwindSafe(|| refresh())) {
                Ok(true) => {}
                Ok(false) => lock(&self.shared.callbacks).retain(|callback| !Arc::ptr_eq(callback, &refresh)),
                Err(_panic) => {
                    tracing::warn!("a callback that refreshes metrics has panicked; they keep the values they had");
                }
            }
        }
        REFRESHING.set(outer);
    }

    /// The instrument of a library for a metric with open attributes; none, and one warning per metric, if it contradicts
    /// what is known.
    pub(crate) fn instrument(&self, desc: InstrumentDesc, scope: Option<&Scope>) -> Option<Arc<Instrument>> {
        let name = desc.name.clone();
        let instrument = self.try_instrument(desc, scope);
        instrument
            .inspect_err(|error| {
                let mut warned = lock(&self.shared.warned);
                if warned.len() < MAX_WARNINGS && warned.insert(name.into_owned()) {
                    tracing::warn!("what is recorded is not exported: {error}");
                }
            })
            .ok()
    }

    /// Counts an observation that has nowhere to go.
    pub(crate) fn refuse(&self) {
        self.shared.losses.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn try_instrument(&self, desc: InstrumentDesc, scope: Option<&Scope>) -> Result<Arc<Instrument>, BindError> {
        let mut opened = lock(&self.shared.opened);
        let mut families = lock(&self.shared.families);
        let known = opened.get(desc.name.as_ref()).and_then(|base| families.get_mut(base)).and_then(Family::as_open);
        if let Some(open) = known {
            open.admits(&desc)?;
            return open.instrument(scope);
        }
        if opened.len() >= MAX_OPEN_METRICS {
            return Err(BindError::Metrics { name: desc.name.into_owned(), most: MAX_OPEN_METRICS });
        }
        let (name, metric) = (desc.name.clone().into_owned(), desc.to_metric());
        let base = metric.family_name().to_owned();
        if let Some(other) = families.get(&base) {
            return Err(other.conflict(&name));
        }
        if let Some(other) = clashing(&families, &base, metric.kind) {
            return Err(BindError::Clash { name, known_name: other.desc.name().to_owned() });
        }
        let Shared { series_cap, losses, redactor, .. } = &*self.shared;
        let mut open = OpenFamily::new(desc, metric.clone(), *series_cap, Arc::clone(losses), redactor.clone());
        let instrument = open.instrument(scope)?;
        families.insert(base.clone(), Family::open(metric, open));
        opened.insert(name, base);
        Ok(instrument)
    }

    /// Whether a label's value is exported as it is.
    pub(crate) fn shows(&self, label: &str, value: &str) -> bool {
        self.shared.redactor.as_ref().is_none_or(|redactor| redactor.label(label, value) == value)
    }

    /// Label values as they are exported.
    fn shown<'a>(&self, desc: &MetricDesc, values: &[&'a str]) -> Vec<Cow<'a, str>> {
        let Some(redactor) = &self.shared.redactor else { return values.iter().copied().map(Cow::Borrowed).collect() };
        desc.labels.iter().zip(values).map(|(label, value)| redactor.label(label, value)).collect()
    }

    fn bind(&self, desc: &MetricDesc, kind: MetricKind, values: &[&str]) -> Series {
        self.try_bind(desc, kind, values).unwrap_or_else(|error| {
            tracing::warn!("a series is not exported: {error}");
            Series::new(desc, kind)
        })
    }

    fn try_bind(&self, desc: &MetricDesc, kind: MetricKind, values: &[&str]) -> Result<Series, BindError> {
        check(desc, kind, values)?;
        let mut families = lock(&self.shared.families);
        let base = desc.family_name();
        if !families.contains_key(base)
            && let Some(known) = clashing(&families, base, kind)
        {
            let (name, known_name) = (desc.name().to_owned(), known.desc.name().to_owned());
            return Err(BindError::Clash { name, known_name });
        }
        let family = families.entry(base.to_owned()).or_insert_with(|| Family::new(desc.clone()));
        family.admits(desc)?;
        let (series, folded) = family.bind(&self.shown(desc, values), self.shared.series_cap);
        if folded {
            self.shared.losses.folded.fetch_add(1, Ordering::Relaxed);
        }
        Ok(series)
    }
}

fn always(refresh: Box<dyn Fn() + Send + Sync>) -> Box<dyn Fn() -> bool + Send + Sync> {
    Box::new(move || {
        refresh();
        true
    })
}

#[cfg(test)]
mod tests;
