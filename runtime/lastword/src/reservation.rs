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

/// The same for an end: from the moment at which it is taken in, the session's place can be had.
pub(crate) struct Leaving {
    inner: Arc<Inner>,
    tenant: Arc<str>,
    is_over: bool,
}

impl Leaving {
    pub(crate) fn begin(inner: &Arc<Inner>, tenant: &Arc<str>) -> Self {
        inner.set.lock().begin_to_leave(tenant);
        Self { inner: inner.clone(), tenant: tenant.clone(), is_over: false }
    }

    /// The session goes out of the set now.
    pub(crate) fn left(mut self, set: &mut ActiveSet) {
        set.left(&self.tenant);
        self.is_over = true;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.set.lock().left(&self.tenant);
        }
    }
}
