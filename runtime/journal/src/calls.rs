use std::fmt;
use std::sync::Arc;

/// Says that a call is under way, until it is dropped. A process that dies with it leaves the mark behind.
pub struct CallMark {
    calls: Arc<dyn Calls>,
    place: usize,
}

/// Who keeps such marks.
pub(crate) trait Calls: Send + Sync {
    /// The call is over.
    fn over(&self, place: usize);
}

impl CallMark {
    pub(crate) fn new(calls: Arc<dyn Calls>, place: usize) -> Self {
        Self { calls, place }
    }
}

impl Drop for CallMark {
    fn drop(&mut self) {
        self.calls.over(self.place);
    }
}

impl fmt::Debug for CallMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallMark").field(&self.place).finish()
    }
}
