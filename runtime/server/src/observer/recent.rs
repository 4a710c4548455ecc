//! The outcomes of the deliveries that were settled last.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use lastword::events::DeliveryId;
use lastword::journal::Settlement;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::limits::{MAX_RECENT_SETTLEMENTS, MAX_TENANT_RECENT_SETTLEMENTS, TOLD_BEHIND_RECORD};

/// The last settlements. A journal keeps nothing of a delivery that was made, so a caller that asks too late gets the
/// outcome from here. A busy tenant pushes out its own outcomes.
#[derive(Default)]
pub(super) struct RecentSettlements {
    state: Mutex<State>,
    /// Notifies of a new settlement.
    added: Notify,
}

#[derive(Default)]
struct State {
    of: HashMap<DeliveryId, Settlement>,
    /// The numbers and ids of each tenant's settlements, oldest first.
    tenants: HashMap<Arc<str>, VecDeque<(u64, DeliveryId)>>,
    /// The tenant of each number.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
}

impl RecentSettlements {
    pub(super) fn put(&self, tenant: &Arc<str>, delivery: &DeliveryId, settlement: Settlement) {
        self.state.lock().put(tenant, delivery, settlement);
        self.added.notify_waiters();
    }

    pub(super) fn get(&self, delivery: &DeliveryId) -> Option<Settlement> {
        self.state.lock().of.get(delivery).cloned()
    }

    /// Returns the outcome of a delivery that the journal does not have any more. A worker hands its outcome to the
    /// journal first, and reports it right after that.
    pub(super) async fn get_behind_record(&self, delivery: &DeliveryId) -> Option<Settlement> {
        let until = Instant::now() + TOLD_BEHIND_RECORD;
        loop {
            let mut added = pin!(self.added.notified());
            added.as_mut().enable();
            let known = self.get(delivery);
            if known.is_some() || timeout_at(until, added).await.is_err() {
                return known;
            }
        }
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

    #[tokio::test]
    async fn what_is_told_right_behind_its_record_is_waited_for_and_what_nobody_tells_of_is_not_for_long() {
        let recent = RecentSettlements::default();
        let telling = async {
            recent.put(&"t".into(), &id(1), Settlement::Delivered);
            recent.put(&"t".into(), &id(2), Settlement::Delivered);
        };
        // Asked for first.
        let asked = id(2);
        let (told, ()) = tokio::join!(recent.get_behind_record(&asked), telling);
        assert_eq!(told, Some(Settlement::Delivered));
        assert_eq!(recent.get_behind_record(&id(3)).await, None);
    }
}
