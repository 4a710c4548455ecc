//! What became of the deliveries that were settled last.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use lastword::events::DeliveryId;
use lastword::journal::Settlement;
use parking_lot::Mutex;

use crate::limits::{MAX_RECENT_SETTLEMENTS, MAX_TENANT_RECENT_SETTLEMENTS};

/// The settlements of the last moments. A journal keeps nothing of what was made, so whoever asks a moment too late is told by
/// this one. A tenant that has many pushes out its own.
#[derive(Default)]
pub(super) struct RecentSettlements {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    of: HashMap<DeliveryId, Settlement>,
    /// Each tenant's, with their numbers, oldest first.
    tenants: HashMap<Arc<str>, VecDeque<(u64, DeliveryId)>>,
    /// Whose each number is.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
}

impl RecentSettlements {
    pub(super) fn put(&self, tenant: &Arc<str>, delivery: &DeliveryId, settlement: Settlement) {
        self.state.lock().put(tenant, delivery, settlement);
    }

    pub(super) fn get(&self, delivery: &DeliveryId) -> Option<Settlement> {
        self.state.lock().of.get(delivery).cloned()
    }
}

impl State {
    fn put(&mut self, tenant: &Arc<str>, delivery: &DeliveryId, settlement: Settlement) {
        if self.of.insert(delivery.clone(), settlement).is_some() {
            return;
        }
        let number = self.next;
        self.next += 1;
        self.order.insert(number, tenant.clone());
        let own = self.tenants.entry(tenant.clone()).or_default();
        own.push_back((number, delivery.clone()));
        if own.len() > MAX_TENANT_RECENT_SETTLEMENTS {
            self.forget_oldest_of(tenant);
        }
        if self.of.len() > MAX_RECENT_SETTLEMENTS
            && let Some(oldest) = self.order.values().next().cloned()
        {
            self.forget_oldest_of(&oldest);
        }
    }

    fn forget_oldest_of(&mut self, tenant: &Arc<str>) {
        let Some(own) = self.tenants.get_mut(tenant) else { return };
        let Some((number, delivery)) = own.pop_front() else { return };
        if own.is_empty() {
            self.tenants.remove(tenant);
        }
        self.order.remove(&number);
        self.of.remove(&delivery);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> DeliveryId {
        format!("k3f9a2c1.{n}/session-end/memory").parse().unwrap()
    }

    #[test]
    fn only_so_many_are_remembered_and_the_oldest_are_forgotten_first() {
        let recent = RecentSettlements::default();
        for n in 0..MAX_RECENT_SETTLEMENTS + 10 {
            recent.put(&format!("t{}", n % 100).into(), &id(n), Settlement::Delivered);
        }
        assert_eq!(recent.get(&id(9)), None);
        assert_eq!(recent.get(&id(10)), Some(Settlement::Delivered));
        let state = recent.state.lock();
        assert_eq!((state.of.len(), state.order.len()), (MAX_RECENT_SETTLEMENTS, MAX_RECENT_SETTLEMENTS));
    }

    #[test]
    fn a_tenant_that_has_many_makes_nothing_of_the_others_unknown() {
        let recent = RecentSettlements::default();
        recent.put(&"quiet".into(), &id(0), Settlement::Delivered);
        for n in 1..=MAX_TENANT_RECENT_SETTLEMENTS + 10 {
            recent.put(&"busy".into(), &id(n), Settlement::Delivered);
        }
        assert_eq!(recent.get(&id(0)), Some(Settlement::Delivered));
        assert_eq!((recent.get(&id(10)), recent.get(&id(11))), (None, Some(Settlement::Delivered)));
        assert_eq!(recent.state.lock().of.len(), MAX_TENANT_RECENT_SETTLEMENTS + 1);
    }
}
