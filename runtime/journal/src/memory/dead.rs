//! Deliveries that were given up.

use std::collections::VecDeque;

use crate::{DeliveryKey, RETAINED_DEAD_DELIVERIES};

/// Deliveries that were given up, the newest ones.
#[derive(Debug, Default)]
pub(super) struct Dead {
    newest: VecDeque<DeliveryKey>,
    forgotten: u64,
}

impl Dead {
    /// Adds one. It is not delivered again, so its name is all that is kept of it.
    pub(super) fn add(&mut self, delivery: DeliveryKey) {
        self.newest.push_back(delivery);
        if self.newest.len() <= RETAINED_DEAD_DELIVERIES {
            return;
        }
        self.newest.pop_front();
        self.forgotten += 1;
        // The first time, and then each time that they are twice as many.
        if self.forgotten.is_power_of_two() {
            tracing::warn!(
                "{} dead deliveries are forgotten, the oldest: a journal in memory keeps {RETAINED_DEAD_DELIVERIES}",
                self.forgotten
            );
        }
    }

    /// In the order in which they were given up.
    pub(super) fn newest(&self) -> Vec<DeliveryKey> {
        self.newest.iter().cloned().collect()
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
