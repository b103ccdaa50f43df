//! The provider everything ambient records with.
//!
//! Invariant: the lock is taken once per thread and installation, not once per span.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::global;

use crate::otel::{OtelTracer, OtelTracerProvider};
use crate::sync::lock;

static INSTALLED: Mutex<Option<OtelTracer>> = Mutex::new(None);
/// How often a provider has been installed.
static INSTALLATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// What the thread knows of it, and as of which installation.
    static KNOWN: RefCell<(u64, Option<OtelTracer>)> = const { RefCell::new((0, None)) };
}

/// Makes `provider` the one of this crate's ambient spans and of OpenTelemetry's `global::tracer`, for the whole process.
/// A later one takes its place for spans that begin after it.
///
/// ```
/// use opentelemetry::trace::{Span, Tracer};
/// use sabot_telemetry::{OtelTracerProvider, TelemetryConfig, init_telemetry, install_tracer_provider, otel_global};
///
/// let telemetry = init_telemetry(TelemetryConfig::new("checkout"))?;
/// install_tracer_provider(OtelTracerProvider::new(telemetry.spans()));
/// assert!(otel_global::tracer("any.library").start("work").span_context().is_sampled());
/// # Ok::<(), sabot_telemetry::TelemetryError>(())
/// ```
pub fn install_tracer_provider(provider: OtelTracerProvider) {
    *lock(&INSTALLED) = Some(provider.unscoped());
    INSTALLATIONS.fetch_add(1, Ordering::Release);
    global::set_tracer_provider(provider);
}

/// The installed tracer's answer; `None` without a tracer.
#[inline]
pub(super) fn with_installed<T>(mut ask: impl FnMut(&OtelTracer) -> T) -> Option<T> {
    let answer = KNOWN.try_with(|known| {
        refresh(known);
        known.try_borrow().ok().map(|known| known.1.as_ref().map(&mut ask))
    });
    // A thread that is ending no longer knows, and asks.
    answer.ok().flatten().unwrap_or_else(|| lock(&INSTALLED).as_ref().map(&mut ask))
}

/// Whether nothing is recorded below a parent that is not: also so without a provider.
#[cfg(any(feature = "redis", feature = "sqlx"))]
pub(crate) fn follows_parents() -> bool {
    with_installed(OtelTracer::follows_parents).unwrap_or(true)
}

#[inline]
fn refresh(known: &RefCell<(u64, Option<OtelTracer>)>) {
    let installations = INSTALLATIONS.load(Ordering::Acquire);
    if let Ok(mut known) = known.try_borrow_mut()
        && known.0 != installations
    {
        *known = (installations, lock(&INSTALLED).clone());
    }
}
