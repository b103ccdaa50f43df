//! What the instruments of the API do with a measurement.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, BoundSyncInstrument, Callback, SyncInstrument};

use crate::Registry;
use crate::metrics::{Base, Instrument, Observer, OpenSeries, Round};

/// A number that an instrument takes.
pub(super) trait Number: Copy + Send + Sync + 'static {
    /// The same as a double; exact up to 2^53.
    fn to_f64(self) -> f64;

    /// Adds it to a counter, or moves an up-down counter.
    fn add_to(self, series: &OpenSeries) {
        series.add_f64(self.to_f64());
    }
}

impl Number for u64 {
    #[expect(clippy::cast_precision_loss, reason = "what is set or observed is read as a double")]
    fn to_f64(self) -> f64 {
        self as f64
    }

    fn add_to(self, series: &OpenSeries) {
        series.add(self);
    }
}

impl Number for i64 {
    #[expect(clippy::cast_precision_loss, reason = "a level is kept as a double")]
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Number for f64 {
    fn to_f64(self) -> f64 {
        self
    }
}

macro_rules! instrument {
    ($(#[$doc:meta])* $name:ident, |$value:ident, $series:ident| $record:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name {
            registry: Registry,
            instrument: Option<Arc<Instrument>>,
            /// Nothing: there are no attributes but those of the measurement.
            base: Base,
        }

        impl $name {
            /// Without an instrument, what is measured is only counted as refused.
            pub(super) fn new(registry: &Registry, instrument: Option<Arc<Instrument>>) -> Self {
                Self { registry: registry.clone(), instrument, base: Base::default() }
            }
        }

        impl<N: Number> SyncInstrument<N> for $name {
            fn measure(&self, $value: N, attributes: &[KeyValue]) {
                match &self.instrument {
                    Some(instrument) => instrument.with_series(&self.base, attributes, |$series| $record),
                    None => self.registry.refuse(),
                }
            }

            fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<N> + Send + Sync> {
                match &self.instrument {
                    Some(instrument) => Box::new(Bound {
                        series: instrument.bind(&self.base, attributes),
                        record: |$series: &OpenSeries, $value: N| $record,
                    }),
                    None => Box::new(Refused { registry: self.registry.clone() }),
                }
            }
        }
    };
}

instrument!(
    /// Counters and up-down counters.
    Adds, |value, series| value.add_to(series)
);
instrument!(
    /// Gauges.
    Sets, |value, series| series.set(value.to_f64())
);
instrument!(
    /// Histograms.
    Observes, |value, series| series.observe(value.to_f64())
);

/// An instrument with its attributes.
struct Bound<F> {
    series: Arc<OpenSeries>,
    record: F,
}

impl<N: Number, F: Fn(&OpenSeries, N) + Send + Sync> BoundSyncInstrument<N> for Bound<F> {
    fn measure(&self, value: N) {
        (self.record)(&self.series, value);
    }
}

struct Refused {
    registry: Registry,
}

impl<N> BoundSyncInstrument<N> for Refused {
    fn measure(&self, _: N) {
        self.registry.refuse();
    }
}

/// Takes what callbacks observe in one round.
struct Taker<'a>(&'a Round<'a>);

impl<N: Number> AsyncInstrument<N> for Taker<'_> {
    fn observe(&self, value: N, attributes: &[KeyValue]) {
        self.0.observe(value.to_f64(), attributes);
    }
}

/// What asks the callbacks of an observable instrument. One that panics does not keep the others from being asked, and
/// what it said before counts.
pub(super) fn observe<N: Number>(
    instrument: Arc<Instrument>,
    callbacks: Vec<Callback<N>>,
) -> Box<dyn Fn() + Send + Sync> {
    let observer = Observer::new(instrument);
    Box::new(move || {
        observer.ask(|round| {
            for callback in &callbacks {
                if catch_unwind(AssertUnwindSafe(|| callback(&Taker(round)))).is_err() {
                    tracing::warn!("the callback of an observable instrument has panicked");
                }
            }
        });
    })
}
