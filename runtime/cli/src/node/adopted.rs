//! The runtimes of the journals that this node has adopted.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword::{Runtime, TenantQuota};
use lastword_events::JournalName;
use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(feature = "jetstream")]
use super::adopted_slots::Place;

/// The adopted runtimes, by journal. A daemon that is no node of a cluster has none.
#[derive(Default)]
pub(crate) struct Adopted {
    /// Held while installed plugins or quotas change, and while a runtime is built of them: so none misses a change.
    changing: Mutex<()>,
    /// The quotas of tenants that have one of their own.
    quotas: Mutex<BTreeMap<Arc<str>, TenantQuota>>,
    runtimes: RwLock<Runtimes>,
}

#[derive(Default)]
#[cfg_attr(not(feature = "jetstream"), allow(dead_code, reason = "only a node of a cluster reads it"))]
struct Runtimes {
    by_journal: BTreeMap<JournalName, Adoption>,
    /// Whether the node leaves, and takes nothing more.
    is_closed: bool,
}

/// An adopted journal's runtime.
#[cfg_attr(not(feature = "jetstream"), allow(dead_code, reason = "only a node of a cluster makes one"))]
pub(super) struct Adoption {
    /// Behind which it writes: a journal may be taken over twice.
    pub(super) epoch: u64,
    pub(super) runtime: Runtime,
    /// Whoever takes the runtime out of here keeps this until its last call has ended.
    #[cfg(feature = "jetstream")]
    pub(super) _place: Place,
}

/// The node leaves, and takes nothing more.
#[cfg(feature = "jetstream")]
pub(super) struct IsClosed;

impl Adopted {
    pub(crate) fn new(quotas: impl IntoIterator<Item = (Arc<str>, TenantQuota)>) -> Self {
        Self { quotas: Mutex::new(quotas.into_iter().collect()), ..Self::default() }
    }

    /// Keeps plugins and quotas as they are, until the guard is dropped.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.changing.lock()
    }

    pub(crate) fn all(&self) -> Vec<Runtime> {
        self.runtimes.read().by_journal.values().map(|adoption| adoption.runtime.clone()).collect()
    }

    /// Notes a tenant's own quota, for runtimes that are built later.
    pub(crate) fn set_quota(&self, tenant: &Arc<str>, quota: Option<TenantQuota>) {
        let mut quotas = self.quotas.lock();
        match quota {
            Some(quota) => drop(quotas.insert(tenant.clone(), quota)),
            None => drop(quotas.remove(tenant)),
        }
    }
}

#[cfg(feature = "jetstream")]
impl Adopted {
    pub(super) fn get(&self, journal: JournalName) -> Option<Runtime> {
        self.runtimes.read().by_journal.get(&journal).map(|adoption| adoption.runtime.clone())
    }

    /// Whether the runtime is there that writes behind this epoch.
    pub(super) fn has(&self, journal: JournalName, epoch: u64) -> bool {
        self.runtimes.read().by_journal.get(&journal).is_some_and(|adoption| adoption.epoch == epoch)
    }

    /// Adds a runtime. Gives the one that the journal had before.
    ///
    /// # Errors
    /// When the node leaves.
    pub(super) fn insert(&self, journal: JournalName, adoption: Adoption) -> Result<Option<Adoption>, IsClosed> {
        let mut runtimes = self.runtimes.write();
        if runtimes.is_closed { Err(IsClosed) } else { Ok(runtimes.by_journal.insert(journal, adoption)) }
    }

    /// Removes the runtime that writes behind this epoch.
    pub(super) fn remove(&self, journal: JournalName, epoch: u64) -> Option<Adoption> {
        let mut runtimes = self.runtimes.write();
        if runtimes.by_journal.get(&journal).is_none_or(|adoption| adoption.epoch != epoch) {
            return None;
        }
        runtimes.by_journal.remove(&journal)
    }

    /// Removes whatever runtime the journal has.
    pub(super) fn remove_any(&self, journal: JournalName) -> Option<Adoption> {
        self.runtimes.write().by_journal.remove(&journal)
    }

    /// Takes nothing more from now on. The runtimes stay, so that requests of their sessions do not go elsewhere.
    pub(super) fn close(&self) -> Vec<Runtime> {
        self.runtimes.write().is_closed = true;
        self.all()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.runtimes.read().is_closed
    }

    pub(super) fn quotas(&self) -> Vec<(Arc<str>, TenantQuota)> {
        self.quotas.lock().iter().map(|(tenant, quota)| (tenant.clone(), *quota)).collect()
    }
}
