//! What guests have stored, as of the last completion that was staged: one store for both journals.
//!
//! Here a completion's changes become values, and are checked against the quotas. From then on the values are an *overlay* over what is
//! committed, until the writer says that they are committed too, or that they never will be. All of that is one step under the tenant's
//! lock. The completions go to the writer before the lock is released, so the writer has them in the order in which they were resolved.
//! Nobody waits for the lock of another tenant. A guest that reads one value does not hold its tenant's lock while the file is read.

mod committed;
mod key_overlay;
mod staged;
mod tenant_overlay;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

pub use self::committed::{Committed, NothingCommitted};
pub use self::staged::{Resolved, Staged, StagedWrite};

use self::tenant_overlay::TenantOverlay;
use crate::{Completion, JournalError, KeyValueChanges, RefusedCompletion, Settlement, Space};

/// The values that guests have stored in a journal.
#[derive(Debug)]
pub struct Store<C> {
    committed: C,
    /// The overlays of tenants that have stored something. This lock is held for a look-up only, and never while waiting for a tenant's
    /// lock.
    tenants: RwLock<HashMap<Arc<str>, Arc<Mutex<TenantOverlay>>>>,
}

impl<C: Committed> Store<C> {
    /// `sizes` are the sizes of the spaces that have something committed.
    pub fn new(committed: C, sizes: impl IntoIterator<Item = (Space, u64)>) -> Self {
        let mut tenants: HashMap<Arc<str>, TenantOverlay> = HashMap::new();
        for (Space { tenant, plugin }, bytes) in sizes {
            tenants.entry(tenant).or_default().add_space(plugin, bytes);
        }
        let tenants = tenants.into_iter().map(|(name, tenant)| (name, Arc::new(Mutex::new(tenant)))).collect();
        Self { committed, tenants: RwLock::new(tenants) }
    }

    /// The committed values.
    pub fn committed(&self) -> &C {
        &self.committed
    }

    /// Stages completions. Completions whose changes are not possible are refused. The others are given to `queue` before anything else of
    /// their tenants can be resolved.
    pub fn stage<T>(
        &self,
        completions: Vec<Completion>,
        queue: impl FnOnce(Vec<Resolved>) -> T,
    ) -> (Vec<RefusedCompletion>, T) {
        let names = tenants_that_change(&completions);
        let tenants: Vec<_> = names.iter().map(|name| self.tenant_or_new(name)).collect();
        // The locks are taken in the order of the tenants' names: so no two callers wait for each other.
        let mut locked: Vec<_> = tenants.iter().map(|tenant| tenant.lock()).collect();
        let mut refused = Vec::new();
        let mut resolved = Vec::with_capacity(completions.len());
        for (at, mut completion) in completions.into_iter().enumerate() {
            let changes = completion.changes.take().filter(|_| completion.settlement == Settlement::Delivered);
            let Some(changes) = changes else {
                resolved.push(Resolved { completion, staged: None });
                continue;
            };
            let of_tenant = names.binary_search(&changes.space.tenant).ok().and_then(|at| locked.get_mut(at));
            let staged = match of_tenant {
                Some(tenant) => tenant.stage(&self.committed, *changes),
                None => Err(JournalError::Closed.into()),
            };
            match staged {
                Ok(staged) => resolved.push(Resolved { completion, staged: Some(Box::new(staged)) }),
                Err(why) => refused.push(RefusedCompletion { at, why }),
            }
        }
        let queued = queue(resolved);
        let empty: Vec<bool> = locked.iter().map(|tenant| tenant.is_empty()).collect();
        drop(locked);
        drop(tenants);
        names.iter().zip(empty).filter(|(_, is_empty)| *is_empty).for_each(|(name, _)| self.forget_if_empty(name));
        (refused, queued)
    }

    /// These values of one tenant are committed, in the order in which they were staged. Gives false if the tenant's lock is taken, perhaps
    /// while the file is read. Then nothing is changed. Until this is called again the values are read from the overlay, which has the same
    /// values.
    pub fn try_commit<'a>(&self, name: &str, staged: impl IntoIterator<Item = &'a Staged>) -> bool {
        let Some(tenant) = self.tenant(name) else { return true };
        let is_empty = {
            let Some(mut tenant) = tenant.try_lock() else { return false };
            staged.into_iter().for_each(|staged| tenant.commit(staged));
            tenant.is_empty()
        };
        drop(tenant);
        if is_empty {
            self.forget_if_empty(name);
        }
        true
    }

    /// These values will never be committed. The store forgets them.
    pub fn set_aside(&self, staged: &Staged) {
        let name = &staged.space.tenant;
        let Some(tenant) = self.tenant(name) else { return };
        let is_empty = {
            let mut tenant = tenant.lock();
            tenant.set_aside(staged);
            tenant.is_empty()
        };
        drop(tenant);
        if is_empty {
            self.forget_if_empty(name);
        }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When what is committed cannot be read.
    pub fn value(&self, space: &Space, key: &str) -> Result<Option<Arc<[u8]>>, JournalError> {
        let staged = self.tenant(&space.tenant).and_then(|tenant| tenant.lock().value(&space.plugin, key));
        // A value that is committed in between is newer than the question, which is as good.
        staged.map_or_else(|| self.committed.value(space, key), Ok)
    }

    /// The length of the value of `key`, in bytes.
    ///
    /// # Errors
    /// When what is committed cannot be read.
    pub fn value_len(&self, space: &Space, key: &str) -> Result<Option<u64>, JournalError> {
        let staged = self.tenant(&space.tenant).and_then(|tenant| tenant.lock().value_len(&space.plugin, key));
        staged.map_or_else(|| self.committed.value_len(space, key), Ok)
    }

    /// The first `limit` keys of the space that sort after `after`, in their order.
    ///
    /// # Errors
    /// When what is committed cannot be read.
    pub fn keys(&self, space: &Space, after: Option<&str>, limit: usize) -> Result<Vec<String>, JournalError> {
        if let Some(tenant) = self.tenant(&space.tenant)
            // Under the lock to the end: a call's keys are visible together, and would not be if some of them were committed half-way.
            && let Some(keys) = tenant.lock().keys(&self.committed, space, after, limit)
        {
            return keys;
        }
        self.committed.keys(space, after, limit)
    }

    /// The size of a space, in bytes.
    pub fn bytes(&self, space: &Space) -> u64 {
        self.tenant(&space.tenant).map_or(0, |tenant| tenant.lock().space_bytes(&space.plugin))
    }

    /// The size of all spaces of a tenant, in bytes.
    pub fn tenant_bytes(&self, tenant: &str) -> u64 {
        self.tenant(tenant).map_or(0, |tenant| tenant.lock().bytes())
    }

    fn tenant(&self, name: &str) -> Option<Arc<Mutex<TenantOverlay>>> {
        self.tenants.read().get(name).cloned()
    }

    fn tenant_or_new(&self, name: &Arc<str>) -> Arc<Mutex<TenantOverlay>> {
        self.tenant(name).unwrap_or_else(|| self.tenants.write().entry(name.clone()).or_default().clone())
    }

    fn forget_if_empty(&self, name: &str) {
        let mut tenants = self.tenants.write();
        // Whoever has looked the overlay up by now holds it.
        if tenants.get(name).is_some_and(|tenant| Arc::strong_count(tenant) == 1 && tenant.lock().is_empty()) {
            tenants.remove(name);
        }
    }
}

/// The tenants whose keys are changed, each once, in the order of their names.
fn tenants_that_change(completions: &[Completion]) -> Vec<Arc<str>> {
    let delivered = completions.iter().filter(|one| one.settlement == Settlement::Delivered);
    let changes = delivered.filter_map(|one| one.changes.as_deref());
    let mut names: Vec<_> = changes.map(|KeyValueChanges { space, .. }| space.tenant.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
