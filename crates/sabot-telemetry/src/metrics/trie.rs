//! A table that only grows and is read without locks.
//!
//! A tree over the bits of a hash, four ways at each node. A node never moves and never changes once it is there, so a
//! reader needs no lock and no counter that other readers write.

use std::sync::OnceLock;

/// Bits of the hash that one step uses.
const STEP_BITS: u32 = 2;
const WAYS: usize = 1 << STEP_BITS;

/// Values found by hash and by a question asked of them.
#[derive(Debug)]
pub(crate) struct Trie<T> {
    root: OnceLock<Box<Node<T>>>,
}

#[derive(Debug)]
struct Node<T> {
    hash: u64,
    value: T,
    children: [OnceLock<Box<Self>>; WAYS],
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { root: OnceLock::new() }
    }
}

impl<T> Trie<T> {
    /// The first value of this hash that `is` takes.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        let (mut slot, mut rest) = (&self.root, hash);
        loop {
            let node = slot.get()?;
            if node.hash == hash && is(&node.value) {
                return Some(&node.value);
            }
            slot = node.children.get(way(rest))?;
            rest = rest.rotate_right(STEP_BITS);
        }
    }

    /// Adds a value. One that is there already stays in front of it.
    pub(crate) fn insert(&self, hash: u64, value: T) {
        let mut node = Box::new(Node { hash, value, children: Default::default() });
        let (mut slot, mut rest) = (&self.root, hash);
        loop {
            match slot.set(node) {
                Ok(()) => return,
                Err(mine) => node = mine,
            }
            let Some(next) = slot.get().and_then(|taken| taken.children.get(way(rest))) else { return };
            slot = next;
            rest = rest.rotate_right(STEP_BITS);
        }
    }
}

/// Which child the hash goes on to.
#[expect(clippy::cast_possible_truncation, reason = "only the lowest bits are wanted")]
const fn way(rest: u64) -> usize {
    rest as usize & (WAYS - 1)
}

#[cfg(test)]
mod tests {
    use super::Trie;

    #[test]
    fn everything_is_found_again_and_nothing_else() {
        let trie = Trie::default();
        for number in 0..1_000_u64 {
            // Five of each hash, and hashes that share their lowest bits.
            trie.insert((number / 5) << 40, number);
        }
        for number in 0..1_000_u64 {
            assert_eq!(trie.find((number / 5) << 40, |found| *found == number), Some(&number));
            assert_eq!(trie.find((number / 5) << 40, |found| *found == 1_000), None);
        }
        assert_eq!(trie.find(1 << 60, |_| true), None);
        assert_eq!(trie.find(0, |_| true), Some(&0), "the first stays in front");
    }

    #[test]
    fn values_put_in_side_by_side_are_all_there() {
        let trie = Trie::default();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let trie = &trie;
                scope.spawn(move || (0..2_000).for_each(|number| trie.insert(number % 97, (thread, number))));
            }
        });
        for thread in 0..4 {
            assert!((0..2_000).all(|number| trie.find(number % 97, |found| *found == (thread, number)).is_some()));
        }
    }
}
