//! The highest generation of forgotten session ids.
//!
//! A plugin knows a session by tenant, id and generation. So an id that comes back after its rows are forgotten continues its generations.
//! Owners use most ids once, so a count for each forgotten id would grow for ever. One count for each tenant is enough: it is the highest
//! generation that any forgotten id of the tenant has had, and the next session with any unknown id has a higher one. The price is that an
//! id skips some generations, and that a really new id does not begin with 1. A session that begins is one generation ahead of what was
//! forgotten before, so the count grows by one about as often as all that is kept was replaced.

use std::collections::HashMap;
use std::sync::Arc;

use crate::RETAINED_GENERATION_COUNTS;

/// The highest generation that any forgotten id has had, by tenant.
#[derive(Clone, Debug, Default)]
pub struct ForgottenGenerations {
    by_tenant: HashMap<Arc<str>, u32>,
    /// The highest generation for the tenants beyond [`RETAINED_GENERATION_COUNTS`], and for tenants that were erased.
    others: u32,
}

/// The place in which a generation is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptFor {
    /// In the count of the tenant itself.
    Tenant,
    /// In the count that all other tenants share.
    Others,
}

impl ForgottenGenerations {
    /// The recorded counts: those of the tenants that have their own, and the shared one.
    #[must_use]
    pub fn new(by_tenant: HashMap<Arc<str>, u32>, others: u32) -> Self {
        Self { by_tenant, others }
    }

    /// The counts, as [`new`](Self::new) takes them.
    #[must_use]
    pub fn into_counts(self) -> (HashMap<Arc<str>, u32>, u32) {
        (self.by_tenant, self.others)
    }

    /// The highest generation that a forgotten id of this tenant may have had.
    #[must_use]
    pub fn of(&self, tenant: &str) -> u32 {
        self.by_tenant.get(tenant).copied().unwrap_or(0).max(self.others)
    }

    /// An id of this tenant is forgotten. `generation` was its last.
    pub fn forget(&mut self, tenant: &Arc<str>, generation: u32) -> KeptFor {
        if let Some(highest) = self.by_tenant.get_mut(tenant) {
            *highest = generation.max(*highest);
            return KeptFor::Tenant;
        }
        if self.by_tenant.len() < RETAINED_GENERATION_COUNTS {
            self.by_tenant.insert(tenant.clone(), generation);
            return KeptFor::Tenant;
        }
        self.others = generation.max(self.others);
        KeptFor::Others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_generation_of_each_tenant_is_kept_and_of_too_many_the_highest_of_all() {
        let mut forgotten = ForgottenGenerations::default();
        for n in 0..RETAINED_GENERATION_COUNTS {
            assert_eq!(forgotten.forget(&format!("t{n}").into(), 7), KeptFor::Tenant);
        }
        assert_eq!((forgotten.of("t0"), forgotten.of("new")), (7, 0));
        assert_eq!(forgotten.forget(&"t0".into(), 3), KeptFor::Tenant);
        assert_eq!(forgotten.forget(&"one-more".into(), 9), KeptFor::Others);
        assert_eq!(forgotten.forget(&"t1".into(), 12), KeptFor::Tenant);
        let of = |tenant| forgotten.of(tenant);
        assert_eq!((of("t0"), of("t1"), of("one-more"), of("new")), (9, 12, 9, 9));
        assert_eq!(forgotten.by_tenant.len(), RETAINED_GENERATION_COUNTS);
    }
}
