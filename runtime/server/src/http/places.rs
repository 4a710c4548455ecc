//! A bounded number of places.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// The number of places, and the number taken.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Arc<Mutex<usize>>,
    /// Requests for a place that were refused.
    refused: AtomicUsize,
}

/// A place that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct TakenPlace {
    taken: Arc<Mutex<usize>>,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default(), refused: AtomicUsize::new(0) }
    }

    /// Takes a place. `None`: there is no room. `of` names in the log what there are too many of.
    pub(super) fn take(&self, of: &str) -> Option<TakenPlace> {
        let mut taken = self.taken.lock();
        if *taken < self.most {
            *taken += 1;
            return Some(TakenPlace { taken: self.taken.clone() });
        }
        drop(taken);
        // Logs the first refusal, and then each thousandth: it may be an attack.
        if self.refused.fetch_add(1, Ordering::Relaxed).is_multiple_of(1000) {
            tracing::warn!(most = self.most, "there are too many {of}: others are refused");
        }
        None
    }

    /// Returns the number of places that are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        *self.taken.lock()
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        *taken = taken.saturating_sub(1);
    }
}
