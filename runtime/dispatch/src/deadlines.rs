//! Instants that something waits for, earliest first.
//!
//! A set and not a heap: what waits can be taken back, and a heap with stale entries would make `Wait` too early.

use std::collections::BTreeSet;

use hob_model::Timestamp;

/// What waits for which instant. The one who puts a key in remembers the instant, to take it back.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    set: BTreeSet<(Timestamp, K)>,
}

impl<K: Ord + Copy> Deadlines<K> {
    pub(crate) const fn new() -> Self {
        Self { set: BTreeSet::new() }
    }

    pub(crate) fn insert(&mut self, at: Timestamp, key: K) {
        self.set.insert((at, key));
    }

    pub(crate) fn remove(&mut self, at: Timestamp, key: K) {
        self.set.remove(&(at, key));
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest that has come by `now`.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<K> {
        if self.next()? <= now { self.set.pop_first().map(|(_, key)| key) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_is_due_in_order_and_forgets_what_was_taken_back() {
        let at = Timestamp::from_micros;
        let mut deadlines = Deadlines::new();
        for (micros, key) in [(30, 'c'), (10, 'a'), (20, 'b'), (10, 'z')] {
            deadlines.insert(at(micros), key);
        }
        deadlines.remove(at(10), 'z');
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.pop_due(at(9)), None);
        assert_eq!(
            [deadlines.pop_due(at(20)), deadlines.pop_due(at(20)), deadlines.pop_due(at(20))],
            [Some('a'), Some('b'), None]
        );
        assert_eq!(deadlines.next(), Some(at(30)));
    }
}
