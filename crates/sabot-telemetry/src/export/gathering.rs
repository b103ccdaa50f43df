//! Telemetry on its way into a batch: until there is enough of it, or it has waited long enough.

use std::sync::Mutex;
use std::time::Duration;

use crate::sync::lock;

/// Records of one kind that are not in a batch yet.
#[derive(Debug)]
pub(crate) struct Gathering<T> {
    state: Mutex<State<T>>,
    /// Records of a full batch.
    batch_items: usize,
    /// How long the first of them may wait for the others.
    max_delay: Duration,
}

#[derive(Debug)]
struct State<T> {
    records: Vec<T>,
    first_at: Duration,
    closed: bool,
}

impl<T> Gathering<T> {
    pub(crate) const fn new(batch_items: usize, max_delay: Duration) -> Self {
        Self {
            state: Mutex::new(State { records: Vec::new(), first_at: Duration::ZERO, closed: false }),
            batch_items,
            max_delay,
        }
    }

    /// Adds records unless it is closed; hands every full batch on. Whether there are some that wait, where none did.
    pub(crate) fn add(&self, records: impl IntoIterator<Item = T>, now: Duration, mut full: impl FnMut(&[T])) -> bool {
        let mut state = lock(&self.state);
        let was_empty = state.records.is_empty();
        for record in records {
            if state.closed {
                return false;
            }
            if state.records.is_empty() {
                state.first_at = now;
            }
            state.records.push(record);
            if state.records.len() >= self.batch_items {
                full(&state.records);
                state.records.clear();
            }
        }
        was_empty && !state.records.is_empty()
    }

    /// Hands on what is there if it has waited long enough.
    pub(crate) fn flush(&self, now: Duration, rest: impl FnOnce(&[T])) {
        let mut state = lock(&self.state);
        if now.saturating_sub(state.first_at) >= self.max_delay {
            state.hand_on(rest);
        }
    }

    /// Hands on what is there, and takes no more.
    pub(crate) fn close(&self, rest: impl FnOnce(&[T])) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.hand_on(rest);
    }

    /// When the first of the records will have waited long enough.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        let state = lock(&self.state);
        (!state.records.is_empty()).then(|| state.first_at.saturating_add(self.max_delay))
    }
}

impl<T> State<T> {
    fn hand_on(&mut self, rest: impl FnOnce(&[T])) {
        if !self.records.is_empty() {
            rest(&self.records);
            self.records.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Gathering;

    #[test]
    fn a_batch_is_full_or_has_waited() {
        let gathering = Gathering::new(3, Duration::from_secs(5));
        let at = Duration::from_secs;
        let mut batches: Vec<Vec<u32>> = Vec::new();
        assert!(gathering.add(1..=7, at(10), |full| batches.push(full.to_vec())), "one waits now");
        assert_eq!(batches, [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(gathering.due_at(), Some(at(15)));
        assert!(!gathering.add([8], at(14), |_| panic!("two of three")));
        gathering.flush(at(14), |_| panic!("too early"));
        gathering.flush(at(15), |rest| batches.push(rest.to_vec()));
        assert_eq!(batches.pop(), Some(vec![7, 8]));
        gathering.flush(at(100), |_| panic!("nothing is there"));
        assert_eq!(gathering.due_at(), None);
        assert!(gathering.add([9], at(100), |_| panic!("one of three")));
        gathering.close(|rest| batches.push(rest.to_vec()));
        assert_eq!(batches.pop(), Some(vec![9]));
        assert!(!gathering.add(1..=7, at(100), |_| panic!("it is closed")));
        assert_eq!(gathering.due_at(), None);
    }
}
