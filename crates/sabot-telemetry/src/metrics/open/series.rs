//! One series with open attributes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::family::Series;
use crate::metrics::instrument::Origin;

use super::OVERFLOW_ATTRIBUTE;

/// A series and what it was made by.
#[derive(Debug)]
pub(crate) struct OpenSeries {
    pub(in crate::metrics) origin: Origin,
    pub(in crate::metrics) cells: Series,
    pub(in crate::metrics) since_unix_nano: u64,
    /// The observer that sets it, and when it last did; zeros for a series that is recorded into.
    observer: AtomicU64,
    round: AtomicU64,
}

/// Methods that do not fit the series' kind do nothing; an instrument has one kind for all its series.
impl OpenSeries {
    pub(super) const fn new(origin: Origin, cells: Series, since_unix_nano: u64) -> Self {
        Self { origin, cells, since_unix_nano, observer: AtomicU64::new(0), round: AtomicU64::new(0) }
    }

    /// Adds to a counter.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "an exemplar for people")]
    pub(crate) fn add(&self, count: u64) {
        if let Series::Counter(counter) = &self.cells {
            counter.add(count);
            counter.offer_current(|| count as f64);
        }
    }

    /// Adds an amount to a counter, which ignores what is not positive, or moves a gauge.
    #[inline]
    pub(crate) fn add_f64(&self, amount: f64) {
        match &self.cells {
            Series::Counter(counter) => {
                if counter.try_add_f64(amount) {
                    counter.offer_current(|| amount);
                }
            }
            Series::Gauge(gauge) => gauge.add(amount),
            Series::Histogram(_) => {}
        }
    }

    /// Sets a gauge.
    #[inline]
    pub(crate) fn set(&self, value: f64) {
        if let Series::Gauge(gauge) = &self.cells {
            gauge.set(value);
        }
    }

    /// Observes into a histogram.
    #[inline]
    pub(crate) fn observe(&self, value: f64) {
        if let Series::Histogram(histogram) = &self.cells {
            histogram.observe(value);
        }
    }

    /// Takes over what is counted elsewhere.
    pub(super) fn take_over(&self, value: f64, observer: u64, round: u64) {
        match &self.cells {
            Series::Counter(counter) => counter.raise_to_f64(value),
            Series::Gauge(gauge) => gauge.set(value),
            Series::Histogram(_) => {}
        }
        self.observer.store(observer, Ordering::Relaxed);
        self.round.store(round, Ordering::Relaxed);
    }

    /// Whether it stands for what is above the cap.
    pub(super) fn is_overflow(&self) -> bool {
        self.origin.attributes.iter().any(|(key, _)| *key == OVERFLOW_ATTRIBUTE)
    }

    /// Whether this observer sets it and no longer does.
    pub(super) fn is_left_by(&self, observer: u64, round: u64) -> bool {
        self.observer.load(Ordering::Relaxed) == observer && self.round.load(Ordering::Relaxed) != round
    }
}
