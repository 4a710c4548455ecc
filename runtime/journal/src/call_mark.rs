//! The mark of a call that is under way.

use std::fmt;
use std::sync::Arc;

/// Marks a call as under way, until this is dropped. If the process dies before that, the mark stays.
pub struct CallMark {
    marks: Arc<dyn CallMarks>,
    slot: usize,
}

/// The marks of calls that a journal keeps.
pub trait CallMarks: Send + Sync {
    /// Removes the mark in this slot: its call is over.
    fn remove(&self, slot: usize);
}

impl CallMark {
    /// A mark that `marks` has in this slot. Dropping the value removes the mark.
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
