//! What makes a tenant wait for the disk: what its plugins have stored, and the journal has not written yet.
//!
//! It is in memory until then, so a tenant whose plugins store faster than the disk takes begins no more calls for a while; what
//! its owner says is taken all the same, and nobody else waits. A full disk is the same, for longer. In a drain what has not
//! begun at the end of the budget for this reason is `deferred(journal)`.

use std::collections::BTreeSet;

use lastword_events::Deferral;

use super::dispatcher::Dispatcher;
use super::fair::{Fair, QueueId, TenantNumber};
use super::state::State;
use crate::limits::{MAX_UNWRITTEN_BYTES, MAX_UNWRITTEN_BYTES_OF_TENANT};

/// Tenants of which something is not written yet.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// How many they are.
    tenants: u64,
    /// Those that wait.
    waiting: BTreeSet<TenantNumber>,
}

impl Stored {
    /// Bytes that one of them may have.
    fn share(&self) -> u64 {
        MAX_UNWRITTEN_BYTES_OF_TENANT.min(MAX_UNWRITTEN_BYTES / self.tenants.max(1))
    }

    /// Whether anything would begin if it did not have to wait.
    pub(super) fn holds_up(&self, fair: &Fair) -> bool {
        self.waiting.iter().any(|&tenant| fair.ready_deliveries_of(tenant) > 0)
    }
}

impl Dispatcher {
    /// The journal has so many bytes to write that plugins of this queue's tenant have stored.
    pub(crate) fn add_unwritten(&self, queue: QueueId, bytes: u64) {
        if bytes > 0 {
            self.state.lock().change_stored(queue, |stored| stored.saturating_add(bytes));
        }
    }

    /// They are written, or set aside.
    pub(crate) fn written(&self, queue: QueueId, bytes: u64) {
        if bytes > 0 {
            let mut state = self.state.lock();
            state.change_stored(queue, |stored| stored.saturating_sub(bytes));
            self.announce(&mut state);
        }
    }
}

impl State {
    fn change_stored(&mut self, queue: QueueId, change: impl FnOnce(u64) -> u64) {
        let Some(number) = self.tenant_of(queue) else { return };
        let Some(tenant) = self.accounts.get_mut(number) else { return };
        let before = tenant.stored;
        tenant.stored = change(before);
        match (before, tenant.stored) {
            (0, 1..) => self.stored.tenants += 1,
            (1.., 0) => self.stored.tenants -= 1,
            _ => (),
        }
        // Its own next change lets it go on: it waits only as long as there is one to come.
        tenant.waits_for_journal = tenant.stored > 0 && tenant.stored >= self.stored.share();
        if tenant.waits_for_journal {
            self.stored.waiting.insert(number);
        } else {
            self.stored.waiting.remove(&number);
        }
        let throttled = tenant.is_throttled();
        self.fair.throttle(number, throttled);
        if throttled {
            self.end_first_of(number);
        }
    }

    /// Why what has not begun at the end of the budget has not.
    pub(super) fn why_unstarted(&self, queue: QueueId) -> Deferral {
        let tenant = self.tenant_of(queue).and_then(|number| self.accounts.get(number));
        if tenant.is_some_and(|tenant| tenant.waits_for_journal) { Deferral::Journal } else { Deferral::Budget }
    }
}
