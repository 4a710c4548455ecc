//! Which queue is served next: tenants share the CPU equally, and plugins share their tenant's part.
//!
//! Each tenant, and each queue within its tenant, has a *virtual time*: the nanoseconds of worker time that it has had. The tenant with the
//! least is served next, and in it the queue with the least. A tenant or queue that has work again after a pause starts at the time of
//! those that were served meanwhile, so it has not saved up anything. A throttled tenant is out of the order with all its queues: looking
//! for work costs nothing for it, however much it is owed.

use std::collections::BTreeSet;

use super::ids::{QueueId, TenantNumber};

#[derive(Debug, Default)]
pub(super) struct Fair {
    tenants: Vec<TenantShare>,
    queues: Vec<QueueShare>,
    /// Tenants with a ready queue that are not throttled, by virtual time.
    ready: BTreeSet<(u64, TenantNumber)>,
    /// How many queues and how many deliveries are ready, of tenants that are not throttled.
    ready_queues: usize,
    ready_deliveries: usize,
    floor: u64,
}

#[derive(Debug, Default)]
struct TenantShare {
    time: u64,
    floor: u64,
    /// Ready queues, by virtual time.
    ready: BTreeSet<(u64, QueueId)>,
    /// How many deliveries are ready.
    ready_deliveries: usize,
    throttled: bool,
}

#[derive(Debug)]
struct QueueShare {
    tenant: TenantNumber,
    time: u64,
    /// Deliveries that may begin.
    ready: usize,
}

impl QueueShare {
    fn new(tenant: TenantNumber) -> Self {
        Self { tenant, time: 0, ready: 0 }
    }
}

/// The order of queues: the queue with the least rank is served first.
pub(super) type Rank = (u64, u64, QueueId);

impl Fair {
    /// Gives the number of a tenant, whose queues are all idle, to another tenant.
    pub(super) fn reuse_tenant(&mut self, tenant: TenantNumber) {
        if let Some(share) = self.tenants.get_mut(tenant) {
            *share = TenantShare::default();
        }
    }

    /// Gives an idle queue to another tenant.
    pub(super) fn reuse_queue(&mut self, queue: QueueId, tenant: TenantNumber) {
        if let Some(share) = self.queues.get_mut(queue) {
            *share = QueueShare::new(tenant);
        }
    }

    pub(super) fn add_tenant(&mut self) -> TenantNumber {
        self.tenants.push(TenantShare::default());
        self.tenants.len() - 1
    }

    pub(super) fn add_queue(&mut self, tenant: TenantNumber) -> QueueId {
        self.queues.push(QueueShare::new(tenant));
        self.queues.len() - 1
    }

    /// Says how many deliveries of a queue may begin.
    pub(super) fn set_ready(&mut self, queue: QueueId, deliveries: usize) {
        let Some(share) = self.queues.get_mut(queue) else { return };
        let before = std::mem::replace(&mut share.ready, deliveries);
        let Some(tenant) = self.tenants.get_mut(share.tenant) else { return };
        tenant.ready_deliveries = tenant.ready_deliveries + deliveries - before;
        if !tenant.throttled {
            self.ready_deliveries = self.ready_deliveries + deliveries - before;
        }
        match (before > 0, deliveries > 0) {
            (false, true) => {
                if tenant.ready.is_empty() && !tenant.throttled {
                    tenant.time = tenant.time.max(self.floor);
                    self.ready.insert((tenant.time, share.tenant));
                }
                share.time = share.time.max(tenant.floor);
                tenant.ready.insert((share.time, queue));
                self.ready_queues += usize::from(!tenant.throttled);
            }
            (true, false) => {
                tenant.ready.remove(&(share.time, queue));
                if tenant.ready.is_empty() {
                    self.ready.remove(&(tenant.time, share.tenant));
                }
                self.ready_queues -= usize::from(!tenant.throttled);
            }
            (true, true) | (false, false) => (),
        }
    }

    /// Takes a tenant out of the order, or lets it back in.
    pub(super) fn throttle(&mut self, number: TenantNumber, throttled: bool) {
        let Some(tenant) = self.tenants.get_mut(number) else { return };
        if std::mem::replace(&mut tenant.throttled, throttled) == throttled {
            return;
        }
        if throttled {
            self.ready.remove(&(tenant.time, number));
            self.ready_queues -= tenant.ready.len();
            self.ready_deliveries -= tenant.ready_deliveries;
        } else {
            if !tenant.ready.is_empty() {
                tenant.time = tenant.time.max(self.floor);
                self.ready.insert((tenant.time, number));
            }
            self.ready_queues += tenant.ready.len();
            self.ready_deliveries += tenant.ready_deliveries;
        }
    }

    /// Charges a queue, and its tenant, for worker time.
    pub(super) fn charge(&mut self, queue: QueueId, nanos: u64) {
        let Some(share) = self.queues.get_mut(queue) else { return };
        let Some(tenant) = self.tenants.get_mut(share.tenant) else { return };
        let (queue_was, tenant_was) = (share.time, tenant.time);
        tenant.floor = tenant.floor.max(queue_was);
        self.floor = self.floor.max(tenant_was);
        share.time = queue_was.saturating_add(nanos);
        tenant.time = tenant_was.saturating_add(nanos);
        if share.ready > 0 {
            tenant.ready.remove(&(queue_was, queue));
            tenant.ready.insert((share.time, queue));
        }
        if !tenant.ready.is_empty() && !tenant.throttled {
            self.ready.remove(&(tenant_was, share.tenant));
            self.ready.insert((tenant.time, share.tenant));
        }
    }

    /// Charges a queue, but not its tenant, for something that only the other queues of its tenant go without.
    pub(super) fn charge_within(&mut self, queue: QueueId, nanos: u64) {
        let Some(share) = self.queues.get_mut(queue) else { return };
        let Some(tenant) = self.tenants.get_mut(share.tenant) else { return };
        let was = share.time;
        share.time = was.saturating_add(nanos);
        if share.ready > 0 {
            tenant.ready.remove(&(was, queue));
            tenant.ready.insert((share.time, queue));
        }
    }

    /// The rank of this queue among all: the least is served first.
    pub(super) fn rank(&self, queue: QueueId) -> Rank {
        let share = self.queues.get(queue);
        let tenant = share.and_then(|s| self.tenants.get(s.tenant));
        (tenant.map_or(u64::MAX, |t| t.time), share.map_or(u64::MAX, |s| s.time), queue)
    }

    /// The ready queue whose turn it is, among those that `may` be served.
    pub(super) fn first(&self, may: impl Fn(QueueId) -> bool) -> Option<QueueId> {
        let tenants = self.ready.iter().filter_map(|&(_, t)| self.tenants.get(t));
        tenants.flat_map(|t| t.ready.iter().map(|&(_, queue)| queue)).find(|&queue| may(queue))
    }

    /// Ready queues of tenants that are not throttled.
    pub(super) fn ready_queues(&self) -> usize {
        self.ready_queues
    }

    /// Ready deliveries of tenants that are not throttled.
    pub(super) fn ready_deliveries(&self) -> usize {
        self.ready_deliveries
    }

    /// Ready deliveries of one tenant, throttled or not.
    pub(super) fn ready_deliveries_of(&self, tenant: TenantNumber) -> usize {
        self.tenants.get(tenant).map_or(0, |share| share.ready_deliveries)
    }

    /// Forgets the time that queues and tenants have had: a drain starts with equal shares.
    pub(super) fn reset(&mut self) {
        let ready: Vec<(QueueId, usize)> =
            self.queues.iter().map(|share| share.ready).enumerate().filter(|(_, ready)| *ready > 0).collect();
        for &(queue, _) in &ready {
            self.set_ready(queue, 0);
        }
        self.floor = 0;
        self.queues.iter_mut().for_each(|share| share.time = 0);
        for tenant in &mut self.tenants {
            (tenant.time, tenant.floor) = (0, 0);
        }
        for (queue, deliveries) in ready {
            self.set_ready(queue, deliveries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Serves `rounds` slices of `cost` and returns how often each queue was served.
    fn serve(fair: &mut Fair, queues: usize, rounds: usize, cost: impl Fn(QueueId) -> u64) -> Vec<u64> {
        let mut had = vec![0; queues];
        for _ in 0..rounds {
            let queue = fair.first(|_| true).unwrap();
            fair.charge(queue, cost(queue));
            had[queue] += cost(queue);
        }
        had
    }

    #[test]
    fn tenants_share_equally_whatever_the_number_of_their_plugins() {
        let mut fair = Fair::default();
        let (a, b) = (fair.add_tenant(), fair.add_tenant());
        let queues = [fair.add_queue(a), fair.add_queue(a), fair.add_queue(a), fair.add_queue(b)];
        queues.iter().for_each(|&q| fair.set_ready(q, 1));
        let had = serve(&mut fair, 4, 600, |_| 1_000);
        assert_eq!(had, [100_000, 100_000, 100_000, 300_000]);
    }

    #[test]
    fn whoever_comes_back_has_saved_up_nothing() {
        let mut fair = Fair::default();
        let (a, b) = (fair.add_tenant(), fair.add_tenant());
        let (qa, qb) = (fair.add_queue(a), fair.add_queue(b));
        fair.set_ready(qa, 1);
        serve(&mut fair, 2, 1_000, |_| 1_000);
        fair.set_ready(qb, 1);
        let had = serve(&mut fair, 2, 100, |_| 1_000);
        assert!(had[qa] >= 49_000, "b gets its half and no more: {had:?}");
    }

    proptest! {
        #[test]
        fn shares_stay_within_one_slice_of_equal(
            plugins in prop::collection::vec(1usize..5, 1..6),
            costs in prop::collection::vec(1u64..2_000, 30),
        ) {
            let mut fair = Fair::default();
            let mut owner = Vec::new();
            for (tenant, &n) in plugins.iter().enumerate() {
                let number = fair.add_tenant();
                for _ in 0..n {
                    let queue = fair.add_queue(number);
                    fair.set_ready(queue, 1);
                    owner.push(tenant);
                }
            }
            let queues = owner.len();
            let had = serve(&mut fair, queues, 3_000, |q| costs[q % costs.len()]);
            let mut by_tenant = vec![0u64; plugins.len()];
            for (queue, &tenant) in owner.iter().enumerate() { by_tenant[tenant] += had[queue]; }
            let (least, most) = (by_tenant.iter().min().unwrap(), by_tenant.iter().max().unwrap());
            prop_assert!(most - least <= 2_000, "{by_tenant:?}");
        }

        #[test]
        fn ready_is_exactly_what_was_said_of_tenants_that_are_not_throttled(
            says in prop::collection::vec((0usize..6, 0usize..3, 0u64..5, 0usize..2, any::<bool>()), 0..200),
        ) {
            let mut fair = Fair::default();
            let tenants = [fair.add_tenant(), fair.add_tenant()];
            for q in 0..6 { fair.add_queue(tenants[q % 2]); }
            let (mut ready, mut throttled) = ([0; 6], [false; 2]);
            for (queue, deliveries, cost, tenant, hold) in says {
                fair.set_ready(queue, deliveries);
                ready[queue] = deliveries;
                fair.charge(queue, cost);
                fair.throttle(tenants[tenant], hold);
                throttled[tenant] = hold;
            }
            for _ in 0..2 {
                let free = |queue: &usize| !throttled[queue % 2];
                let queues: Vec<_> = (0..6).filter(free).filter(|&q| ready[q] > 0).collect();
                prop_assert_eq!(fair.ready_queues(), queues.len());
                prop_assert_eq!(fair.ready_deliveries(), queues.iter().map(|&q| ready[q]).sum::<usize>());
                for queue in 0..6 {
                    prop_assert_eq!(fair.first(|q| q == queue).is_some(), queues.contains(&queue));
                }
                fair.reset();
            }
        }
    }

    #[test]
    fn the_queue_with_the_least_rank_is_first_and_what_only_its_siblings_go_without_counts_only_among_them() {
        let mut fair = Fair::default();
        let (a, b) = (fair.add_tenant(), fair.add_tenant());
        let queues = [fair.add_queue(a), fair.add_queue(a), fair.add_queue(b)];
        let first = |fair: &Fair| {
            let least = queues.into_iter().min_by_key(|&queue| fair.rank(queue));
            assert_eq!(fair.first(|_| true), least);
            least.unwrap()
        };
        queues.iter().for_each(|&queue| fair.set_ready(queue, 1));
        assert_eq!(first(&fair), queues[0]);
        fair.charge_within(queues[0], 5);
        assert_eq!(first(&fair), queues[1], "its tenant has had nothing");
        fair.charge(queues[1], 9);
        assert_eq!(first(&fair), queues[2]);
        fair.charge(queues[2], 10);
        assert_eq!(first(&fair), queues[0]);
    }

    #[test]
    fn what_is_given_to_another_tenant_begins_anew() {
        let mut fair = Fair::default();
        let (a, b) = (fair.add_tenant(), fair.add_tenant());
        let (qa, qb) = (fair.add_queue(a), fair.add_queue(b));
        for queue in [qa, qb] {
            fair.charge(queue, 7);
        }
        fair.reuse_tenant(a);
        assert_eq!(fair.rank(qa), (0, 7, qa));
        fair.reuse_queue(qb, a);
        assert_eq!(fair.rank(qb), (0, 0, qb));
        fair.set_ready(qb, 3);
        assert_eq!((fair.ready_deliveries_of(a), fair.ready_deliveries_of(b)), (3, 0));
    }

    #[test]
    fn a_drain_starts_with_equal_shares() {
        let mut fair = Fair::default();
        let (a, b) = (fair.add_tenant(), fair.add_tenant());
        let (qa, qb) = (fair.add_queue(a), fair.add_queue(b));
        fair.set_ready(qa, 1);
        fair.set_ready(qb, 1);
        fair.charge(qa, 1_000);
        fair.reset();
        assert_eq!((fair.rank(qa), fair.rank(qb)), ((0, 0, qa), (0, 0, qb)));
        assert_eq!((fair.first(|_| true), fair.ready_queues(), fair.ready_deliveries()), (Some(qa), 2, 2));
    }

    #[test]
    fn a_tenant_that_was_throttled_has_saved_up_nothing() {
        let mut fair = Fair::default();
        let (a, b) = (fair.add_tenant(), fair.add_tenant());
        let (qa, qb) = (fair.add_queue(a), fair.add_queue(b));
        fair.set_ready(qa, 1);
        fair.set_ready(qb, 5_000);
        fair.throttle(b, true);
        let had = serve(&mut fair, 2, 1_000, |_| 1_000);
        assert_eq!(had, [1_000_000, 0]);
        fair.throttle(b, false);
        let had = serve(&mut fair, 2, 100, |_| 1_000);
        assert!(had[qa] >= 49_000, "b gets its half and no more: {had:?}");
    }
}
