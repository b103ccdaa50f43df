//! The one place of this crate that reads the machine's clock.
//!
//! The crate stands alone, so no clock can be handed down. Instants are nanoseconds since the Unix epoch.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "spans and exemplars carry wall-clock times")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, now; zero before it.
pub(crate) fn unix_nanos_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
