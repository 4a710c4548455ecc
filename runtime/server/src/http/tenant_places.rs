//! A bounded number of places for each tenant.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The number of places that each tenant has taken, without tenants that have none.
type Taken = Arc<Mutex<HashMap<Arc<str>, usize>>>;

/// Places for each tenant.
#[derive(Debug)]
pub(super) struct TenantPlaces {
    most: usize,
    taken: Taken,
}

/// A tenant's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct TenantPlace {
    tenant: Arc<str>,
    taken: Taken,
}

impl TenantPlaces {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// Takes a place of this tenant. `None`: it has as many as it may.
    pub(super) fn take(&self, tenant: &Arc<str>) -> Option<TenantPlace> {
        let mut taken = self.taken.lock();
        let has = taken.get(tenant).copied().unwrap_or(0);
        if has >= self.most {
            return None;
        }
        taken.insert(tenant.clone(), has + 1);
        Some(TenantPlace { tenant: tenant.clone(), taken: self.taken.clone() })
    }

    /// Returns the number of tenants with a place.
    #[cfg(test)]
    pub(super) fn tenants(&self) -> usize {
        self.taken.lock().len()
    }
}

impl Drop for TenantPlace {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        let Some(has) = taken.get_mut(&self.tenant) else { return };
        *has = has.saturating_sub(1);
        if *has == 0 {
            taken.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_leaves_the_others_their_places() {
        let places = TenantPlaces::new(1);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let of_a = places.take(&a).unwrap();
        assert!(places.take(&a).is_none());
        drop(places.take(&b).unwrap());
        drop(of_a);
        assert_eq!(places.tenants(), 0);
    }
}
