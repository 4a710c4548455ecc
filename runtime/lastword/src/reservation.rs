use std::sync::Arc;

use crate::active::ActiveSet;
use crate::inner::Inner;

/// A place among the active sessions of a tenant that has a quota of them: taken before the start is written down, so that
/// two starts cannot both have the last one, and given back when nothing comes of it.
pub(crate) struct Reservation {
    inner: Arc<Inner>,
    tenant: Arc<str>,
    given_back: bool,
}

impl Reservation {
    /// None when the tenant has no place left.
    pub(crate) fn make(inner: &Arc<Inner>, set: &mut ActiveSet, tenant: &Arc<str>, limit: u64) -> Option<Self> {
        let reserved = set.reserve(tenant, limit);
        reserved.then(|| Self { inner: inner.clone(), tenant: tenant.clone(), given_back: false })
    }

    /// The session is in the set now.
    pub(crate) fn used(mut self, set: &mut ActiveSet) {
        set.give_back(&self.tenant);
        self.given_back = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.given_back {
            self.inner.set.lock().give_back(&self.tenant);
        }
    }
}
