//! Deadlines by key.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// At most one deadline for each key.
#[derive(Debug)]
pub(super) struct Deadlines<K> {
    of: HashMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { of: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord> Deadlines<K> {
    /// Sets the key's deadline, and replaces an earlier one.
    pub(super) fn set(&mut self, key: &K, at: Instant) {
        if let Some(before) = self.of.insert(key.clone(), at) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key.clone()));
    }

    /// Removes the key's deadline.
    pub(super) fn clear(&mut self, key: &K) {
        if let Some(before) = self.of.remove(key) {
            self.order.remove(&(before, key.clone()));
        }
    }

    /// Returns the next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|&(at, _)| at)
    }

    /// Removes and returns the keys that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let Some((_, key)) = self.order.pop_first() else { break };
            self.of.remove(&key);
            due.push(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_key_is_due_once_at_the_last_moment_that_was_set() {
        let (mut deadlines, now) = (Deadlines::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        deadlines.set(&"a", after(1));
        deadlines.set(&"b", after(2));
        deadlines.set(&"a", after(3));
        deadlines.set(&"c", after(2));
        deadlines.clear(&"c");
        assert_eq!(deadlines.next(), Some(after(2)));
        assert_eq!(deadlines.take_due(after(1)), [""; 0]);
        assert_eq!(deadlines.take_due(after(2)), ["b"]);
        assert_eq!(deadlines.take_due(after(9)), ["a"]);
        assert_eq!((deadlines.next(), deadlines.take_due(after(9)).len()), (None, 0));
    }
}
