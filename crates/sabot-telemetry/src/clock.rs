//! The one place of this crate that reads the machine's clock.
//!
//! The crate stands alone, so no clock can be handed down.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "spans and exemplars carry wall-clock times")]

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this was first asked. Never goes back.
pub(crate) fn monotonic_nanos() -> u64 {
    let elapsed = u64::try_from(FIRST_ASKED.elapsed().as_nanos()).unwrap_or(u64::MAX);
    #[cfg(test)]
    let elapsed = elapsed.saturating_add(ADVANCED.get());
    elapsed
}

#[cfg(test)]
thread_local! {
    static ADVANCED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Lets time pass on this thread without waiting for it.
#[cfg(test)]
pub(crate) fn advance(nanos: u64) {
    ADVANCED.set(ADVANCED.get() + nanos);
}

/// Nanoseconds since the Unix epoch, now; zero before it.
pub(crate) fn unix_nanos_now() -> u64 {
    unix_nanos(SystemTime::now())
}

/// A moment others have taken, in nanoseconds since the Unix epoch; zero before it.
pub(crate) fn unix_nanos(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| {
        // Not by way of 128 bits: this is asked twice per span.
        since.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(since.subsec_nanos()))
    })
}

/// The instant an HTTP header names, since the Unix epoch.
pub(crate) fn http_date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()
}
