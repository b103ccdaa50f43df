//! Trace and span ids: random, never zero.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

thread_local! {
    /// Ids must be unlikely to meet, not hard to guess: a small generator per thread, seeded by the system.
    static RANDOM: RefCell<SmallRng> = RefCell::new(SmallRng::from_os_rng());
}

/// The id of a new trace.
pub(super) fn new_trace_id() -> [u8; 16] {
    let mut id = [0; 16];
    RANDOM.with_borrow_mut(|random| {
        while id == [0; 16] {
            random.fill_bytes(&mut id);
        }
    });
    id
}

/// The id of a new span.
pub(super) fn new_span_id() -> [u8; 8] {
    let mut id = [0; 8];
    RANDOM.with_borrow_mut(|random| {
        while id == [0; 8] {
            id = random.next_u64().to_be_bytes();
        }
    });
    id
}
