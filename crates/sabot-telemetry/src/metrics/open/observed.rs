//! Series whose values are kept elsewhere and asked for at each reading.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Instrument, MAX_ATTRIBUTES, kept, kept_as_given};
use crate::metrics::attributes::MetricAttribute;
use crate::metrics::open::Base;
use crate::sync::lock;

/// Tells observers apart; zero is nobody.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Asks for the values of one instrument. A series that is not mentioned in a round is gone after it.
#[derive(Debug)]
pub(crate) struct Observer {
    instrument: Arc<Instrument>,
    id: u64,
    rounds: AtomicU64,
}

/// One reading; takes observations.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    observer: &'a Observer,
    number: u64,
    taken: AtomicUsize,
    /// The sum of what there was no series for.
    above_the_cap: Mutex<Option<f64>>,
}

impl Observer {
    pub(crate) fn new(instrument: Arc<Instrument>) -> Self {
        Self { instrument, id: NEXT.fetch_add(1, Ordering::Relaxed), rounds: AtomicU64::new(0) }
    }

    /// One round of questions.
    pub(crate) fn ask(&self, ask: impl FnOnce(&Round<'_>)) {
        let number = self.rounds.fetch_add(1, Ordering::Relaxed) + 1;
        let round = Round { observer: self, number, taken: AtomicUsize::new(0), above_the_cap: Mutex::new(None) };
        ask(&round);
        if let Some(sum) = *lock(&round.above_the_cap) {
            self.instrument.overflow().take_over(sum, self.id, number);
        }
        let shared = &self.instrument.shared;
        lock(&shared.series).retain(|_, series| {
            let is_left = series.is_left_by(self.id, number);
            if is_left && !series.is_overflow() && !series.origin.attributes.is_empty() {
                shared.regular.fetch_sub(1, Ordering::Relaxed);
            }
            !is_left || series.is_overflow()
        });
    }
}

impl Round<'_> {
    /// Takes one observation. Its attributes name the series; the last value given for it counts.
    pub(crate) fn observe<A: MetricAttribute>(&self, value: f64, given: &[A]) {
        let Observer { instrument, id, .. } = self.observer;
        // A callback cannot keep a reading busy for ever with sets that are folded anyway.
        if self.taken.fetch_add(1, Ordering::Relaxed) > 4 * instrument.shared.cap.max(MAX_ATTRIBUTES) {
            instrument.shared.losses.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let given = given.get(..MAX_ATTRIBUTES).unwrap_or(given);
        let attributes = instrument.shared.shown(kept(kept_as_given(&Base::default(), given).iter()));
        let found = instrument.find_or_add(&mut lock(&instrument.shared.series), attributes);
        if let Some(series) = found {
            series.take_over(value, *id, self.number);
        } else {
            instrument.shared.losses.folded.fetch_add(1, Ordering::Relaxed);
            *lock(&self.above_the_cap).get_or_insert(0.0) += value;
        }
    }
}
