//! Where metrics are bound, removed and read.
//!
//! The lock here guards the list of series, not their values: a bound handle never takes it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::family::{BindError, Family, Series, check, clashing};
use super::sample::samples;
use super::text::{Exposition, Format};
use super::{Counter, Gauge, Histogram, MetricDesc, MetricKind, MetricSample};
use crate::sync::lock;

/// Series per metric unless configured otherwise.
pub const DEFAULT_SERIES_CAP: usize = 2_000;

type Callback = Arc<dyn Fn() + Send + Sync>;

/// All metrics of a service. A handle: clones are the same registry.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    series_cap: usize,
    folded: AtomicU64,
    /// By `OpenMetrics` family name, so that no two metrics collide in either format.
    families: Mutex<BTreeMap<String, Family>>,
    callbacks: Mutex<Vec<Callback>>,
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
        Self {
            shared: Arc::new(Shared {
                series_cap,
                folded: AtomicU64::new(0),
                families: Mutex::default(),
                callbacks: Mutex::default(),
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
            .is_some_and(|family| family.remove(values))
    }

    /// Stops exporting the series of a metric whose label values `keep` refuses, for things that no longer exist; how
    /// many went. The values come in the order of the metric's labels.
    ///
    /// A handle that something still holds is not bound again by itself: refuse only what nobody writes any more.
    pub fn retain(&self, metric: &str, keep: impl Fn(&[String]) -> bool) -> usize {
        let mut families = lock(&self.shared.families);
        let family = families.values_mut().find(|family| family.desc.name == metric);
        family.map_or(0, |family| family.retain(keep))
    }

    /// Stops exporting a metric altogether; whether there was one. It may come back with another description.
    pub fn forget(&self, metric: &str) -> bool {
        let mut families = lock(&self.shared.families);
        let before = families.len();
        families.retain(|_, family| family.desc.name != metric);
        families.len() < before
    }

    /// Calls `refresh` before every reading, to set gauges and [raise](Counter::raise_to) totals kept elsewhere. It may
    /// bind and remove series; reading the registry from it would never end.
    pub fn on_collect(&self, refresh: Box<dyn Fn() + Send + Sync>) {
        lock(&self.shared.callbacks).push(Arc::from(refresh));
    }

    /// How often a series was asked for that had to be folded into its metric's overflow series.
    pub fn folded(&self) -> u64 {
        self.shared.folded.load(Ordering::Relaxed)
    }

    /// All metrics as Prometheus text 0.0.4; see [`PROMETHEUS_CONTENT_TYPE`](super::PROMETHEUS_CONTENT_TYPE).
    pub fn prometheus_text(&self) -> String {
        self.read(|families| Exposition::new(families, Format::Prometheus).to_string())
    }

    /// All metrics as `OpenMetrics` 1.0, with exemplars; see
    /// [`OPENMETRICS_CONTENT_TYPE`](super::OPENMETRICS_CONTENT_TYPE).
    pub fn openmetrics_text(&self) -> String {
        self.read(|families| Exposition::new(families, Format::OpenMetrics).to_string())
    }

    /// All series as values, by name and then by labels.
    pub fn snapshot(&self) -> Vec<MetricSample> {
        self.read(|families| families.values().flat_map(samples).collect())
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<String, Family>) -> T) -> T {
        // Called without a lock held, because they bind series and take their time.
        let callbacks = lock(&self.shared.callbacks).clone();
        for refresh in callbacks {
            refresh();
        }
        read(&lock(&self.shared.families))
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
        let (series, folded) = family.bind(values, self.shared.series_cap);
        if folded {
            self.shared.folded.fetch_add(1, Ordering::Relaxed);
        }
        Ok(series)
    }
}

#[cfg(test)]
mod tests;
