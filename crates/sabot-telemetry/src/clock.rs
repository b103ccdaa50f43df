//! The one place of this crate that reads the machine's clock.
//!
//! The crate stands alone, so no clock can be handed down.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "spans and exemplars carry wall-clock times")]

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this was first asked. Never goes back.
pub(crate) fn monotonic_nanos() -> u64 {
    u64::try_from(FIRST_ASKED.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since the Unix epoch, now; zero before it.
pub(crate) fn unix_nanos_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The instant an HTTP header names, since the Unix epoch.
pub(crate) fn http_date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()
}
