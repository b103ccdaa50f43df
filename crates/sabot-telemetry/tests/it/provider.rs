//! The provider of ambient spans is the process's, so that tests that install one take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test needs the provider.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(any(
    feature = "tonic",
    all(feature = "axum", feature = "reqwest"),
    all(feature = "redis", feature = "sqlx")
))]
pub(crate) use instrumented::{Instrumented, attribute};

#[cfg(any(feature = "tonic", all(feature = "axum", feature = "reqwest"), all(feature = "redis", feature = "sqlx")))]
mod instrumented {
    use std::sync::MutexGuard;

    use sabot_telemetry::{
        AttributeValue, OtelTracerProvider, SpanRecord, TelemetryConfig, TelemetryProviders, W3cPropagator,
        init_telemetry, install_propagator, install_tracer_provider,
    };

    /// A provider for one test, and a runtime on the test's thread.
    pub(crate) struct Instrumented {
        pub(crate) telemetry: TelemetryProviders,
        runtime: tokio::runtime::Runtime,
        _turn: MutexGuard<'static, ()>,
    }

    impl Instrumented {
        pub(crate) fn install() -> Self {
            Self::with(|config| config)
        }

        pub(crate) fn with(change: impl FnOnce(TelemetryConfig) -> TelemetryConfig) -> Self {
            let turn = super::turn();
            let config = TelemetryConfig::new("test").without_environment().without_globals();
            let telemetry = init_telemetry(change(config)).expect("telemetry");
            install_tracer_provider(OtelTracerProvider::new(telemetry.spans()));
            install_propagator(W3cPropagator::new());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            Self { telemetry, runtime, _turn: turn }
        }

        pub(crate) fn run<T>(&self, test: impl Future<Output = T>) -> T {
            self.runtime.block_on(test)
        }

        /// The spans that have ended, in that order.
        pub(crate) fn spans(&self) -> Vec<SpanRecord> {
            self.telemetry.span_queue().drain(usize::MAX)
        }
    }

    /// An attribute as text; empty if there is none.
    pub(crate) fn attribute(span: &SpanRecord, key: &str) -> String {
        match span.attributes.iter().find(|(known, _)| *known == *key) {
            Some((_, AttributeValue::Str(text))) => text.to_string(),
            Some((_, AttributeValue::Int(number))) => number.to_string(),
            Some((_, AttributeValue::Bool(flag))) => flag.to_string(),
            Some((_, other)) => format!("{other:?}"),
            None => String::new(),
        }
    }
}
