//! The one place of this crate that reads or names the machine's clock.
//!
//! The crate stands alone, so no `Clock` can be handed down; spans get their times from the OpenTelemetry SDK anyway.
#![expect(clippy::disallowed_types, reason = "the SDK's timestamps are SystemTime; they become nanoseconds here")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, now.
#[expect(clippy::disallowed_methods, reason = "an exemplar carries the wall-clock time of its observation")]
pub(crate) fn unix_nanos_now() -> u64 {
    unix_nanos(SystemTime::now())
}

/// Nanoseconds since the Unix epoch; zero for anything before it.
pub(crate) fn unix_nanos(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
