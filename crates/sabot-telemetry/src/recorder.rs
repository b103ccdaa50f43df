//! Metrics by name: for code that has something to count and no handle for it.
//!
//! Instruments and series are made once and found again by what is given, borrowed: a repeated call takes no lock and
//! copies nothing. What contradicts an earlier use of the same name is refused, warned about once and
//! [counted](crate::Registry::refused).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::{
    Base, Instrument, InstrumentDesc, InstrumentKind, MetricAttribute, OpenSeries, Trie, hash_of_name,
};
use crate::record::{AttributeValue, Scope};
use crate::{Registry, Text};

/// Most names that are found again without a lock.
const MAX_NAMES: usize = 4_096;

/// Records metrics by their names, all with the recorder's attributes. Clones share what they have found.
///
/// ```
/// use sabot_telemetry::{MetricsRecorder, Registry};
///
/// let registry = Registry::new();
/// let recorder = MetricsRecorder::new(&registry).with_attribute("agent", "totals");
/// recorder.record_counter("processor.events.processed", 3);
/// recorder.record_counter_with("processor.events.processed", 1, &[("event_type", "order")]);
/// recorder.record_gauge("processor.watermark.lag", 1.5);
/// recorder.record_gauge("processor.watermark.lag", 0.25);
///
/// let text = registry.prometheus_text();
/// assert!(text.contains("processor_events_processed_total{agent=\"totals\",event_type=\"order\"} 1\n"));
/// assert!(text.contains("processor_watermark_lag{agent=\"totals\"} 0.25\n"), "a gauge is set");
/// ```
#[derive(Clone, Debug)]
pub struct MetricsRecorder {
    registry: Registry,
    scope: Option<Arc<Scope>>,
    base: Base,
    names: Arc<Names>,
}

/// What names stand for.
#[derive(Debug, Default)]
struct Names {
    found: Trie<Named>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Named {
    name: Box<str>,
    kind: InstrumentKind,
    /// None if it contradicts what is known.
    instrument: Option<Arc<Instrument>>,
}

impl Named {
    #[inline]
    fn is(&self, name: &str, kind: InstrumentKind) -> bool {
        self.kind == kind && *self.name == *name && self.instrument.as_ref().is_none_or(|known| !known.is_gone())
    }
}

impl MetricsRecorder {
    /// Records into `registry`, for no library in particular.
    pub fn new(registry: &Registry) -> Self {
        Self { registry: registry.clone(), scope: None, base: Base::default(), names: Arc::default() }
    }

    /// The library that records: its series are its own, labelled `otel_scope_name` in Prometheus.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = Some(Arc::new(scope));
        self.names = Arc::default();
        self
    }

    /// An attribute of everything recorded from here on; an observation's own of the same key comes before it. The first
    /// 64 are kept.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<Text>, value: impl Into<AttributeValue>) -> Self {
        self.base.set((key.into(), value.into()));
        self
    }

    /// Adds `count` to a counter.
    #[inline]
    pub fn record_counter(&self, name: &str, count: u64) {
        self.record_counter_with::<(&str, &str)>(name, count, &[]);
    }

    /// Adds `count` to the counter with these attributes.
    #[inline]
    pub fn record_counter_with<A: MetricAttribute>(&self, name: &str, count: u64, attributes: &[A]) {
        self.record(name, InstrumentKind::Counter, attributes, |series| series.add(count));
    }

    /// Adds an amount such as seconds or money to the counter with these attributes. What is not positive and finite is
    /// ignored.
    #[inline]
    pub fn record_amount_with<A: MetricAttribute>(&self, name: &str, amount: f64, attributes: &[A]) {
        self.record(name, InstrumentKind::Counter, attributes, |series| series.add_f64(amount));
    }

    /// Observes `value` into a histogram.
    #[inline]
    pub fn record_histogram(&self, name: &str, value: f64) {
        self.record_histogram_with::<(&str, &str)>(name, value, &[]);
    }

    /// Observes `value` into the histogram with these attributes.
    #[inline]
    pub fn record_histogram_with<A: MetricAttribute>(&self, name: &str, value: f64, attributes: &[A]) {
        self.record(name, InstrumentKind::Histogram, attributes, |series| series.observe(value));
    }

    /// Sets a gauge.
    #[inline]
    pub fn record_gauge(&self, name: &str, value: f64) {
        self.record_gauge_with::<(&str, &str)>(name, value, &[]);
    }

    /// Sets the gauge with these attributes.
    #[inline]
    pub fn record_gauge_with<A: MetricAttribute>(&self, name: &str, value: f64, attributes: &[A]) {
        self.record(name, InstrumentKind::Gauge, attributes, |series| series.set(value));
    }

    #[inline]
    fn record<A: MetricAttribute>(
        &self,
        name: &str,
        kind: InstrumentKind,
        attributes: &[A],
        record: impl FnOnce(&OpenSeries),
    ) {
        let hash = hash_of_name(name);
        let instrument = match self.names.found.find(hash, |named| named.is(name, kind)) {
            Some(named) => named.instrument.as_deref(),
            None => {
                return self
                    .record_new(hash, name, kind, |instrument| instrument.with_series(&self.base, attributes, record));
            }
        };
        match instrument {
            Some(instrument) => instrument.with_series(&self.base, attributes, record),
            None => self.registry.refuse(),
        }
    }

    /// The first observation of a name.
    #[cold]
    fn record_new(&self, hash: u64, name: &str, kind: InstrumentKind, record: impl FnOnce(&Instrument)) {
        let desc = InstrumentDesc::new(name.to_owned(), kind);
        let instrument = self.registry.instrument(desc, self.scope.as_deref());
        match &instrument {
            Some(instrument) => record(instrument),
            None => self.registry.refuse(),
        }
        if self.names.count.fetch_add(1, Ordering::Relaxed) < MAX_NAMES {
            self.names.found.insert(hash, Named { name: name.into(), kind, instrument });
        }
    }
}

#[cfg(test)]
mod tests;
