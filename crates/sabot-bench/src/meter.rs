//! Time and processor time of the whole process.

use std::time::Duration;

use cpu_time::ProcessTime;
use sabot_common::clock::{Clock, SystemClock};

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Time on the wall.
    pub(crate) wall: Duration,
    /// Processor time of all threads.
    pub(crate) cpu: Duration,
}

impl Cost {
    /// Units per second of wall time.
    #[expect(clippy::cast_precision_loss, reason = "rates are floating point")]
    pub(crate) fn per_second(&self, units: usize) -> f64 {
        units as f64 / self.wall.as_secs_f64()
    }

    /// Units per second of processor time.
    #[expect(clippy::cast_precision_loss, reason = "rates are floating point")]
    pub(crate) fn per_cpu_second(&self, units: usize) -> f64 {
        units as f64 / self.cpu.as_secs_f64()
    }
}

/// A running measurement.
#[derive(Debug)]
pub(crate) struct Meter {
    clock: SystemClock,
    cpu: ProcessTime,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { clock: SystemClock::new(), cpu: ProcessTime::now() }
    }

    /// What has been taken since the start.
    pub(crate) fn cost(&self) -> Cost {
        Cost { wall: self.clock.monotonic(), cpu: self.cpu.elapsed() }
    }
}
