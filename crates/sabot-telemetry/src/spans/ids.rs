//! Trace and span ids: random, never zero.
//!
//! Ids must be unlikely to meet, not hard to guess: a small generator per thread, seeded by the system. It is written out
//! here because an unrecorded root is little else than its ids.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

thread_local! {
    static RANDOM: RefCell<Generator> = const { RefCell::new(Generator([0; 4])) };
}

/// The id of a new trace.
#[inline]
pub(super) fn new_trace_id() -> [u8; 16] {
    draw(Generator::id_16)
}

/// The id of a new span.
#[inline]
pub(crate) fn new_span_id() -> [u8; 8] {
    draw(|random| random.non_zero().to_be_bytes())
}

/// An id that is no span's and no trace's.
pub(crate) fn new_unique_id() -> [u8; 16] {
    new_trace_id()
}

#[inline]
fn draw<T>(ids: impl FnOnce(&mut Generator) -> T) -> T {
    RANDOM.with_borrow_mut(|random| {
        if random.0 == [0; 4] {
            *random = Generator::seeded();
        }
        ids(random)
    })
}

/// xoshiro256++ by Blackman and Vigna (<https://prng.di.unimi.it>). All zero is the state it never has.
#[derive(Clone, Copy)]
pub(super) struct Generator(pub(super) [u64; 4]);

impl Generator {
    #[cold]
    fn seeded() -> Self {
        let mut seed = SmallRng::from_os_rng();
        let state = [(); 4].map(|()| seed.next_u64());
        if state == [0; 4] { Self::seeded() } else { Self(state) }
    }

    #[inline]
    pub(super) const fn next(&mut self) -> u64 {
        let Self([a, b, c, d]) = self;
        let drawn = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }

    #[inline]
    const fn non_zero(&mut self) -> u64 {
        loop {
            let id = self.next();
            if id != 0 {
                return id;
            }
        }
    }

    /// One half that is not zero is enough, and the other is left as random as it comes.
    #[inline]
    const fn id_16(&mut self) -> [u8; 16] {
        ((self.non_zero() as u128) << 64 | self.next() as u128).to_be_bytes()
    }
}
