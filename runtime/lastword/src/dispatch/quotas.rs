//! What makes a tenant's deliveries wait for the tenant's own quotas. A tenant that waits is out of the order of
//! [`Fair`](super::fair::Fair) as a whole, however many queues it has, until a call of it ends or its fuel flows again.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use super::fair::{QueueId, TenantNumber};
use super::finished_call::{FinishedCall, PutBack};
use super::queue::Job;
use super::state::State;
use crate::limits::MAX_NOTIFICATIONS;
use crate::queued_delivery::QueuedDelivery;
use crate::sync::now;

/// Tenants that wait for fuel, and what nobody has been told yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    refills: BTreeSet<(Instant, TenantNumber)>,
    deferred: VecDeque<Deferred>,
    /// Batches of deferrals that workers are in_progress.
    in_progress: usize,
}

/// A delivery that waits for its tenant's quota; whoever watches has to be told, once.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) queue: QueueId,
    pub(crate) delivery: QueuedDelivery,
}

impl Waiting {
    /// When the first of them can go on.
    pub(super) fn next_refill(&self) -> Option<Instant> {
        self.refills.first().map(|(at, _)| *at)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.deferred.is_empty() && self.in_progress == 0
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Some of what is to be told: whoever tells it runs no guests meanwhile.
    pub(super) fn take_pending(&mut self) -> Vec<Deferred> {
        self.in_progress += usize::from(!self.deferred.is_empty());
        let some = self.deferred.len().min(MAX_NOTIFICATIONS);
        self.deferred.drain(..some).collect()
    }
}

impl Dispatcher {
    /// The observer was notified of these: the tenants may go on, if nothing else holds them back.
    pub(crate) fn notified(&self, deferred: &[Deferred]) {
        let mut state = self.state.lock();
        state.waiting.in_progress -= 1;
        for one in deferred {
            if let Some(number) = state.tenant_of(one.queue)
                && let Some(tenant) = state.accounts.get_mut(number)
            {
                tenant.unnotified -= 1;
                state.throttle_or_release(number);
            }
        }
        self.announce(&mut state);
    }
}

impl Dispatcher {
    /// Charges the tenant for calls that ran and were put back.
    pub(crate) fn charge_put_back(&self, queue: QueueId, put_back: &[PutBack]) {
        if put_back.iter().any(|one| one.fuel > 0) {
            self.state.lock().charge_fuel(queue, put_back.iter().map(|one| one.fuel));
        }
    }
}

impl State {
    pub(super) fn tenant_of(&self, queue: QueueId) -> Option<TenantNumber> {
        self.queues.get(queue).map(|q| q.owner)
    }

    /// To be called when the tenant's count of calls, or its fuel, has changed.
    pub(super) fn throttle_or_release(&mut self, number: TenantNumber) {
        let Some(tenant) = self.accounts.get(number) else { return };
        if tenant.is_limited() {
            let throttled = tenant.is_throttled();
            self.fair.throttle(number, throttled);
            if throttled {
                self.end_first_of(number);
            }
        }
    }

    /// Takes out of the tenant's fuel what calls have used. In a drain fuel does not count.
    pub(super) fn charge_fuel(&mut self, queue: QueueId, used: impl ExactSizeIterator<Item = u64>) {
        if self.drain.is_some() || used.len() == 0 {
            return;
        }
        let Some(number) = self.tenant_of(queue) else { return };
        let Some(tenant) = self.accounts.get_mut(number) else { return };
        let Some(fuel) = &mut tenant.fuel else { return };
        let now = now();
        used.for_each(|used| fuel.take(used, now));
        if tenant.waits_for_fuel {
            return;
        }
        if let Some(at) = fuel.usable_at(now) {
            tenant.waits_for_fuel = true;
            let queues = tenant.queues.clone();
            self.waiting.refills.insert((at, number));
            self.new_timer = true;
            queues.iter().for_each(|&(_, queue)| self.defer_ready(queue));
            self.throttle_or_release(number);
        }
    }

    /// Everything that is ready now and was not said to wait yet. What was said can be anywhere: what was put back has been said
    /// to wait, and comes to the front.
    pub(super) fn defer_ready(&mut self, queue: QueueId) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let unnotified: Vec<QueuedDelivery> = q.ready.iter_mut().filter_map(Job::defer).collect();
        self.tell_later(queue, unnotified);
    }

    /// What has just become ready of a tenant that waits for fuel.
    pub(super) fn defer_if_waiting(&mut self, queue: QueueId, delivery: &mut QueuedDelivery) {
        let waits =
            self.tenant_of(queue).and_then(|number| self.accounts.get(number)).is_some_and(|t| t.waits_for_fuel);
        if waits && let Some(delivery) = delivery.defer() {
            self.tell_later(queue, vec![delivery]);
        }
    }

    fn tell_later(&mut self, queue: QueueId, unnotified: Vec<QueuedDelivery>) {
        if unnotified.is_empty() {
            return;
        }
        if let Some(tenant) = self.tenant_of(queue).and_then(|number| self.accounts.get_mut(number)) {
            tenant.unnotified += unnotified.len();
        }
        self.waiting.deferred.extend(unnotified.into_iter().map(|delivery| Deferred { queue, delivery }));
    }

    /// Lets tenants go on whose fuel flows again.
    pub(super) fn refill_due(&mut self, now: Instant) {
        while let Some(&(at, number)) = self.waiting.refills.first()
            && at <= now
        {
            self.waiting.refills.pop_first();
            let Some(tenant) = self.accounts.get_mut(number) else { continue };
            // Calls that were under way may have used more meanwhile.
            match tenant.fuel.and_then(|fuel| fuel.usable_at(now)) {
                Some(at) => {
                    self.waiting.refills.insert((at, number));
                }
                None => {
                    tenant.waits_for_fuel = false;
                    self.throttle_or_release(number);
                }
            }
        }
    }

    /// Charges queues of a tenant whose calls are limited for the time in which they held places of it: a guest that waits
    /// uses no worker, and would otherwise always be the one that has had least.
    pub(super) fn charge_for_places(&mut self, queue: QueueId, finished: &[FinishedCall]) {
        let Some(tenant) = self.tenant_of(queue).and_then(|number| self.accounts.get(number)) else { return };
        if tenant.max_calls().is_some() {
            let held: Duration = finished.iter().filter_map(|one| one.report.as_ref()).map(|report| report.wall).sum();
            self.fair.charge_within(queue, u64::try_from(held.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// From now on nobody waits for fuel, and who has not been told that it did is not told any more: its outcome comes.
    pub(super) fn stop_counting_fuel(&mut self) {
        for unnotified in std::mem::take(&mut self.waiting.deferred) {
            if let Some(number) = self.tenant_of(unnotified.queue)
                && let Some(tenant) = self.accounts.get_mut(number)
            {
                tenant.unnotified -= 1;
                self.throttle_or_release(number);
            }
        }
        for (_, number) in std::mem::take(&mut self.waiting.refills) {
            if let Some(tenant) = self.accounts.get_mut(number) {
                tenant.waits_for_fuel = false;
                self.throttle_or_release(number);
            }
        }
    }
}
