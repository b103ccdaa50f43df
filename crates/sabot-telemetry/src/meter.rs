//! OpenTelemetry's metrics API over the [`Registry`].
//!
//! `opentelemetry::global::meter("library").u64_counter("events").build().add(1, &[…])` ends in the same registry as
//! everything else, and is read with it. An instrument finds its series by the attributes it is given, without a lock;
//! one that contradicts an earlier instrument of its name records nothing, is warned about once and
//! [counted](Registry::refused).

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{
    AsyncInstrumentBuilder, Callback, Counter, Gauge, Histogram, HistogramBuilder, InstrumentBuilder,
    InstrumentProvider, Meter, MeterProvider, ObservableCounter, ObservableGauge, ObservableUpDownCounter,
    UpDownCounter,
};

use crate::metrics::{Instrument, InstrumentDesc, InstrumentKind};
use crate::record::Scope;
use crate::{Registry, Text};

mod instruments;

use instruments::{Adds, Number, Observes, Sets, observe};

/// Gives meters that record into a registry.
#[derive(Clone, Debug)]
pub struct RegistryMeterProvider {
    registry: Registry,
}

/// The instruments of one library.
#[derive(Debug)]
struct RegistryMeter {
    registry: Registry,
    scope: Option<Scope>,
}

impl RegistryMeterProvider {
    /// Meters that record into `registry`.
    pub fn new(registry: &Registry) -> Self {
        Self { registry: registry.clone() }
    }

    /// Makes it the one behind [`opentelemetry::global::meter`]. Meters made before keep recording where they did.
    pub fn install(self) {
        opentelemetry::global::set_meter_provider(self);
    }
}

impl MeterProvider for RegistryMeterProvider {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        let version = scope.version().map(|version| Text::from(version.to_owned()));
        // A meter without a name is nobody's.
        let scope = Some(scope.name()).filter(|name| !name.is_empty() || version.is_some());
        let scope = scope.map(|name| Scope { name: name.to_owned().into(), version });
        Meter::new(Arc::new(RegistryMeter { registry: self.registry.clone(), scope }))
    }
}

/// What every builder says of its instrument.
struct Said {
    name: Cow<'static, str>,
    description: Option<Cow<'static, str>>,
    unit: Option<Cow<'static, str>>,
}

impl Said {
    fn describe(self, kind: InstrumentKind) -> InstrumentDesc {
        let unit = self.unit.unwrap_or_default();
        InstrumentDesc::new(self.name, kind).with_unit(unit).with_description(self.description.unwrap_or_default())
    }
}

impl RegistryMeter {
    fn instrument(&self, desc: InstrumentDesc) -> Option<Arc<Instrument>> {
        self.registry.instrument(desc, self.scope.as_ref())
    }

    fn adds<I>(&self, builder: InstrumentBuilder<'_, I>, kind: InstrumentKind) -> Arc<Adds> {
        let InstrumentBuilder { name, description, unit, .. } = builder;
        let desc = Said { name, description, unit }.describe(kind);
        Arc::new(Adds::new(&self.registry, self.instrument(desc)))
    }

    fn sets<I>(&self, builder: InstrumentBuilder<'_, I>) -> Arc<Sets> {
        let InstrumentBuilder { name, description, unit, .. } = builder;
        let desc = Said { name, description, unit }.describe(InstrumentKind::Gauge);
        Arc::new(Sets::new(&self.registry, self.instrument(desc)))
    }

    fn observes<I>(&self, builder: HistogramBuilder<'_, I>) -> Arc<Observes> {
        let HistogramBuilder { name, description, unit, boundaries, .. } = builder;
        let mut desc = Said { name, description, unit }.describe(InstrumentKind::Histogram);
        if let Some(bounds) = boundaries {
            desc = desc.with_buckets(bounds);
        }
        Arc::new(Observes::new(&self.registry, self.instrument(desc)))
    }

    fn asks<I, M: Number>(&self, builder: AsyncInstrumentBuilder<'_, I, M>, kind: InstrumentKind) {
        let AsyncInstrumentBuilder { name, description, unit, callbacks, .. } = builder;
        let callbacks: Vec<Callback<M>> = callbacks;
        if callbacks.is_empty() {
            return;
        }
        let desc = Said { name: name.clone(), description, unit }.describe(kind);
        let Some(instrument) = self.instrument(desc) else { return };
        if !self.registry.try_on_collect(observe(instrument, callbacks)) {
            tracing::warn!("observable instrument \"{name}\" is one too many and not asked");
        }
    }
}

macro_rules! instruments {
    ($($name:ident: $builder:ident<$instrument:ty> => $make:ident($($kind:ident)?);)+) => {
        $(fn $name(&self, builder: $builder<'_, $instrument>) -> $instrument {
            <$instrument>::new(self.$make(builder $(, InstrumentKind::$kind)?))
        })+
    };
}

macro_rules! observables {
    ($($name:ident: $instrument:ident<$number:ty> => $kind:ident;)+) => {
        $(fn $name(&self, builder: AsyncInstrumentBuilder<'_, $instrument<$number>, $number>) -> $instrument<$number> {
            self.asks(builder, InstrumentKind::$kind);
            $instrument::new()
        })+
    };
}

impl InstrumentProvider for RegistryMeter {
    instruments! {
        u64_counter: InstrumentBuilder<Counter<u64>> => adds(Counter);
        f64_counter: InstrumentBuilder<Counter<f64>> => adds(Counter);
        i64_up_down_counter: InstrumentBuilder<UpDownCounter<i64>> => adds(UpDownCounter);
        f64_up_down_counter: InstrumentBuilder<UpDownCounter<f64>> => adds(UpDownCounter);
        u64_gauge: InstrumentBuilder<Gauge<u64>> => sets();
        i64_gauge: InstrumentBuilder<Gauge<i64>> => sets();
        f64_gauge: InstrumentBuilder<Gauge<f64>> => sets();
        u64_histogram: HistogramBuilder<Histogram<u64>> => observes();
        f64_histogram: HistogramBuilder<Histogram<f64>> => observes();
    }

    observables! {
        u64_observable_counter: ObservableCounter<u64> => Counter;
        f64_observable_counter: ObservableCounter<f64> => Counter;
        i64_observable_up_down_counter: ObservableUpDownCounter<i64> => UpDownCounter;
        f64_observable_up_down_counter: ObservableUpDownCounter<f64> => UpDownCounter;
        u64_observable_gauge: ObservableGauge<u64> => Gauge;
        i64_observable_gauge: ObservableGauge<i64> => Gauge;
        f64_observable_gauge: ObservableGauge<f64> => Gauge;
    }
}

#[cfg(test)]
mod tests;
