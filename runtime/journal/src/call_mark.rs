//! The mark of a call that is under way.

use std::fmt;
use std::sync::Arc;

/// Says that a call is under way, until it is dropped. A process that dies with it leaves the mark behind.
pub struct CallMark {
    marks: Arc<dyn CallMarks>,
    slot: usize,
}

/// Where a journal keeps the marks of calls.
pub trait CallMarks: Send + Sync {
    /// Removes the mark in this slot: its call is over.
    fn remove(&self, slot: usize);
}

impl CallMark {
    /// A mark that `marks` has in this slot, and that is removed when the value is dropped.
    #[must_use]
    pub fn new(marks: Arc<dyn CallMarks>, slot: usize) -> Self {
        Self { marks, slot }
    }
}

impl Drop for CallMark {
    fn drop(&mut self) {
        self.marks.remove(self.slot);
    }
}

impl fmt::Debug for CallMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallMark").field(&self.slot).finish()
    }
}
