//! Trace and span ids: random, never zero.
//!
//! Ids must be unlikely to meet, not hard to guess: a small generator per thread, seeded by the system. It is written out
//! here because an unrecorded root is little else than its ids. A process that is forked and goes on without `exec` has its
//! parent's generator, and so its parent's ids; nothing here notices.

use std::cell::Cell;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

thread_local! {
    static RANDOM: Cell<Generator> = const { Cell::new(Generator(0)) };
}

/// The id of a new trace.
#[inline]
pub(super) fn new_trace_id() -> [u8; 16] {
    draw(Generator::id_16)
}

/// The id of a new span.
#[inline]
pub(crate) fn new_span_id() -> [u8; 8] {
    draw(|random| random.next().max(1).to_be_bytes())
}

/// An id that is no span's and no trace's.
pub(crate) fn new_unique_id() -> [u8; 16] {
    new_trace_id()
}

#[inline]
fn draw<T>(ids: impl FnOnce(&mut Generator) -> T) -> T {
    let mut random = RANDOM.get();
    if random.0 == 0 {
        random = Generator::seeded();
    }
    let ids = ids(&mut random);
    RANDOM.set(random);
    ids
}

/// The multiplicative generator of 128 bits by Lehmer with the multiplier of L'Ecuyer and Steele, of which the upper half is
/// given out: Lemire's `lehmer64`, which passes Big Crush. A quarter of the work of the generators with four words. Its
/// state is odd, so that zero is the one it never has.
#[derive(Clone, Copy)]
pub(super) struct Generator(pub(super) u128);

const MULTIPLIER: u128 = 0xda94_2042_e4dd_58b5;

impl Generator {
    #[cold]
    #[inline(never)]
    fn seeded() -> Self {
        let mut seed = SmallRng::from_os_rng();
        Self::of(u128::from(seed.next_u64()) << 64 | u128::from(seed.next_u64()))
    }

    pub(super) const fn of(seed: u128) -> Self {
        Self(seed | 1)
    }

    #[inline]
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(MULTIPLIER);
        (self.0 >> 64) as u64
    }

    /// One half that is not zero is enough, and the other is left as random as it comes.
    #[inline]
    fn id_16(&mut self) -> [u8; 16] {
        let first = self.next().max(1);
        (u128::from(first) << 64 | u128::from(self.next())).to_be_bytes()
    }
}
