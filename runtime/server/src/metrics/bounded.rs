//! A label whose values come from outside.

use std::collections::HashSet;

use parking_lot::Mutex;

/// What stands for all values that have none of their own.
pub(super) const OTHER: &str = "other";

/// The first so many values of a label have a value of their own; the others are one.
#[derive(Debug)]
pub(super) struct BoundedLabel {
    most: usize,
    values: Mutex<HashSet<String>>,
}

impl BoundedLabel {
    pub(super) fn new(most: usize) -> Self {
        Self { most, values: Mutex::default() }
    }

    /// The value, or `other`.
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
