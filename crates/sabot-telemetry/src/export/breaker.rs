//! When a target may be asked.
//!
//! Closed while it works; open for a while after it failed, longer with every failure in a row; half open when that time
//! is over and one request may find out. There is no other state: a target that comes back is used again with the first
//! request that succeeds.

use std::time::Duration;

/// The first pause; doubled with each failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// The longest pause a target may ask for.
const MAX_ASKED: Duration = Duration::from_mins(5);

/// The circuit breaker of one target. Times are those of one monotonic clock.
#[derive(Debug)]
pub(crate) struct Breaker {
    max_backoff: Duration,
    failures: u32,
    retry_at: Duration,
}

/// What the breaker of a target says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// The target works.
    Closed,
    /// It failed, and is tried with the next request.
    HalfOpen,
    /// It failed, and is left alone for a while.
    Open,
}

impl Circuit {
    /// As a metric: 0, 1 or 2.
    pub(crate) const fn as_number(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

impl Breaker {
    pub(crate) const fn new(max_backoff: Duration) -> Self {
        Self { max_backoff, failures: 0, retry_at: Duration::ZERO }
    }

    pub(crate) fn circuit(&self, now: Duration) -> Circuit {
        match self.failures {
            0 => Circuit::Closed,
            _ if now >= self.retry_at => Circuit::HalfOpen,
            _ => Circuit::Open,
        }
    }

    /// When it may be asked again; a time that has passed means now.
    pub(crate) const fn retry_at(&self) -> Duration {
        self.retry_at
    }

    pub(crate) const fn succeeded(&mut self) {
        self.failures = 0;
        self.retry_at = Duration::ZERO;
    }

    /// `asked` is the pause the target wants; `share`, from 0 to 1, spreads those who failed together.
    pub(crate) fn failed(&mut self, now: Duration, asked: Option<Duration>, share: f64) {
        let doubled = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(16)).min(self.max_backoff);
        self.failures = self.failures.saturating_add(1);
        // One that asks for no pause gets the usual one: it failed.
        let pause = doubled.mul_f64(0.5 + share / 2.0).max(asked.unwrap_or_default().min(MAX_ASKED));
        self.retry_at = now.saturating_add(pause);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Breaker, Circuit};

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_opens_for_longer_with_each_failure_and_closes_with_a_success() {
        let mut breaker = Breaker::new(millis(1_000));
        assert_eq!(breaker.circuit(millis(0)), Circuit::Closed);
        let mut now = millis(0);
        for pause in [200, 400, 800, 1_000, 1_000] {
            breaker.failed(now, None, 1.0);
            assert_eq!(breaker.circuit(now + millis(pause - 1)), Circuit::Open, "{pause}");
            assert_eq!(breaker.circuit(now + millis(pause)), Circuit::HalfOpen, "{pause}");
            now += millis(pause);
        }
        breaker.succeeded();
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        breaker.failed(now, None, 0.0);
        assert_eq!(breaker.retry_at(), now + millis(100), "half of the first pause, the share of nobody else");
    }

    #[test]
    fn a_target_that_names_a_pause_gets_it_within_bounds() {
        let mut breaker = Breaker::new(millis(1_000));
        breaker.failed(millis(0), Some(millis(7_000)), 0.5);
        assert_eq!(breaker.retry_at(), millis(7_000));
        breaker.succeeded();
        breaker.failed(millis(0), Some(Duration::ZERO), 1.0);
        assert_eq!(breaker.retry_at(), millis(200), "no pause at all would be a storm");
        breaker.failed(millis(0), Some(Duration::from_hours(100)), 0.5);
        assert_eq!(breaker.retry_at(), Duration::from_mins(5));
    }
}
