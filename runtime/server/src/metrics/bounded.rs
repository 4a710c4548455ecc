//! A label whose values come from outside.

use std::collections::HashSet;

use parking_lot::Mutex;

/// Stands for all values without a label of their own.
pub(super) const OTHER: &str = "other";

/// A label that has the first so many values; the rest are `other`.
#[derive(Debug)]
pub(super) struct BoundedLabel {
    most: usize,
    values: Mutex<HashSet<String>>,
}

impl BoundedLabel {
    pub(super) fn new(most: usize) -> Self {
        Self { most, values: Mutex::default() }
    }

    /// Returns the value, or `other`.
    pub(super) fn value(&self, value: &str) -> String {
        let mut values = self.values.lock();
        if values.contains(value) {
            return value.to_owned();
        }
        if values.len() >= self.most {
            return OTHER.to_owned();
        }
        values.insert(value.to_owned());
        value.to_owned()
    }
}
