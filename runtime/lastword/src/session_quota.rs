//! Counts sessions against a tenant's quota of active sessions while they are being written down.

use std::sync::Arc;

use crate::active_set::ActiveSet;
use crate::core::Core;

/// Room for one more active session of a tenant with a quota. The room is taken before the start is written down, so that two starts cannot
/// both have the last room. It is freed if the session does not begin.
pub(crate) struct SessionPermit {
    core: Arc<Core>,
    tenant: Arc<str>,
    given_back: bool,
}

impl SessionPermit {
    /// None if the tenant has as many sessions as it may have.
    pub(crate) fn take(core: &Arc<Core>, active: &mut ActiveSet, tenant: &Arc<str>, limit: u64) -> Option<Self> {
        let taken = active.take_permit(tenant, limit);
        taken.then(|| Self { core: core.clone(), tenant: tenant.clone(), given_back: false })
    }

    /// The session is in the set now, and counts there.
    pub(crate) fn used(mut self, active: &mut ActiveSet) {
        active.give_permit_back(&self.tenant);
        self.given_back = true;
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        if !self.given_back {
            self.core.lock_active().give_permit_back(&self.tenant);
        }
    }
}

/// The end of a session of a tenant with a quota. As soon as the end is accepted another session may have the room.
pub(crate) struct EndingGuard {
    core: Arc<Core>,
    tenant: Arc<str>,
    is_over: bool,
}

impl EndingGuard {
    pub(crate) fn begin(core: &Arc<Core>, active: &mut ActiveSet, tenant: &Arc<str>) -> Self {
        active.begin_ending(tenant);
        Self { core: core.clone(), tenant: tenant.clone(), is_over: false }
    }

    /// The session is taken out of the set now.
    pub(crate) fn finish(mut self, active: &mut ActiveSet) {
        active.finish_ending(&self.tenant);
        self.is_over = true;
    }
}

impl Drop for EndingGuard {
    fn drop(&mut self) {
        if !self.is_over {
            self.core.lock_active().finish_ending(&self.tenant);
        }
    }
}
