//! Which queue begins something next, and how much.
//!
//! [`Fair`] has the order. A queue is passed by while its tenant's [gate](super::tenant_gates) or its plugin's [gate](super::plugin_gates)
//! is closed, while the queue or its plugin holds its part of the [slots](super::slots), or while there is no
//! [memory](super::memory_admission) for its next call. The scheduler looks at no delivery: it is told what a queue wants as a [`Demand`].

use std::sync::Arc;
use std::time::Instant;

use super::demand::{Demand, NextCall, QueueEntry};
use super::fair_order::{Fair, Rank};
use super::ids::{QueueId, TenantNumber};
use super::memory_admission::{MemoryTurns, PluginMemory, View};
use super::plugin_counts::{InstalledCounts, PluginCount, PluginCounts};
use super::plugin_gates::PluginGates;
use super::plugin_shares::PluginShares;
use super::slots::{Holder, Permit, Slots, part_of};
use super::tenant_gates::{Gate, Gates};
use super::tenants::{TenantQueues, Tenants};
use crate::installed::{PluginNumber, Version};
use crate::quota::TenantQuota;
use crate::sandbox::Reservation;

#[derive(Debug, Default)]
pub(super) struct Scheduler {
    tenants: Tenants,
    fair: Fair,
    /// By number.
    queues: Vec<QueueEntry>,
    slots: Slots,
    gates: Gates,
    plugin_gates: PluginGates,
    plugins: PluginShares,
    counts: PluginCounts,
    memory: MemoryTurns,
}

/// The memory of a queue's next call, which has no slot yet.
pub(super) struct Admitted(Option<Reservation>);

impl Scheduler {
    pub(super) fn new((slots, workers): (u32, u32), plugins: Vec<PluginMemory>) -> Self {
        Self {
            slots: Slots::new(slots, workers),
            plugins: PluginShares::new(plugins.len()),
            memory: MemoryTurns::new(plugins),
            ..Self::default()
        }
    }

    pub(super) fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    pub(super) fn fair(&self) -> &Fair {
        &self.fair
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(super) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Changes how many slots there are. Parked queues come back as far as their plugins may hold more than before: no call has to end for
    /// that.
    pub(super) fn set_slots(&mut self, slots: u32) {
        self.slots.set_total(slots);
        let share = self.plugins.share(&self.slots);
        for plugin in 0..self.plugins.len() {
            self.unpark(plugin, share);
        }
    }

    /// Adds a tenant and a queue for each of these plugins. Numbers of forgotten ones are used again where there are any.
    pub(super) fn add_tenant(
        &mut self,
        name: &Arc<str>,
        quota: &TenantQuota,
        plugins: &[PluginNumber],
        now: Instant,
    ) -> TenantQueues {
        let tenant = match self.tenants.spare_tenant() {
            Some(number) => {
                self.fair.reuse_tenant(number);
                number
            }
            None => self.fair.add_tenant(),
        };
        self.gates.set(tenant, quota, now);
        let queues: TenantQueues = plugins.iter().map(|&plugin| (plugin, self.add_queue(tenant, plugin))).collect();
        self.tenants.add(name, tenant, queues.clone());
        queues
    }

    fn add_queue(&mut self, tenant: TenantNumber, plugin: PluginNumber) -> QueueId {
        let spare = self.tenants.spare_queue();
        let closed = self.plugin_gates.is_closed(plugin);
        let entry = |queue| QueueEntry::new(Holder { queue, tenant, plugin }, closed);
        match spare.and_then(|queue| Some((queue, self.queues.get_mut(queue)?))) {
            Some((queue, spare)) => {
                *spare = entry(queue);
                self.fair.reuse_queue(queue, tenant);
                queue
            }
            None => {
                let queue = self.fair.add_queue(tenant);
                self.queues.push(entry(queue));
                queue
            }
        }
    }

    /// Adds a plugin under a free number, and a queue for each of these tenants. Gives the queues.
    pub(super) fn add_plugin(
        &mut self,
        plugin: PluginNumber,
        memory: PluginMemory,
        reads_orphans: bool,
        tenants: impl IntoIterator<Item = TenantNumber>,
    ) -> Vec<QueueId> {
        self.plugins.add(plugin);
        self.memory.set(plugin, memory);
        self.plugin_gates.reset(plugin);
        if reads_orphans {
            self.plugin_gates.begin_orphans(plugin, true);
        }
        let mut added = Vec::new();
        for tenant in tenants {
            let queue = self.add_queue(tenant, plugin);
            self.tenants.add_queue(tenant, plugin, queue);
            added.push(queue);
        }
        added
    }

    /// Replaces the version of a plugin, whose calls take another amount of memory.
    pub(super) fn replace_plugin(&mut self, plugin: PluginNumber, memory: PluginMemory) {
        self.end_waits_of(plugin);
        self.memory.set(plugin, memory);
        self.bring_back_for_memory();
    }

    /// Removes the queues of this plugin from all tenants, and gives them. Nothing new comes into them.
    pub(super) fn take_out_plugin(&mut self, plugin: PluginNumber) -> Vec<QueueId> {
        self.end_waits_of(plugin);
        self.tenants.remove_queues(plugin)
    }

    /// Frees the queues and the number of a plugin of which nothing is left.
    pub(super) fn remove_plugin(&mut self, plugin: PluginNumber, queues: Vec<QueueId>) {
        self.plugins.remove(plugin);
        self.memory.set(plugin, PluginMemory::default());
        self.plugin_gates.reset(plugin);
        self.tenants.add_spare_queues(queues);
    }

    /// Whether nothing is left of a plugin: no delivery, no call, and nothing that comes of a call.
    pub(super) fn has_nothing_of(&self, plugin: PluginNumber) -> bool {
        self.counts.has_nothing_of(plugin)
            && self.slots.of_plugin(plugin) == 0
            && !self.plugin_gates.reads_orphans(plugin)
    }

    pub(super) fn plugin_gates(&self) -> &PluginGates {
        &self.plugin_gates
    }

    /// The gates of plugins. Whoever changes a gate [applies](Self::apply_plugin_gate) it.
    pub(super) fn plugin_gates_mut(&mut self) -> &mut PluginGates {
        &mut self.plugin_gates
    }

    /// Takes the plugin's queues out of the order if its gate is closed, and lets them back in otherwise. Looks at every queue.
    pub(super) fn apply_plugin_gate(&mut self, plugin: PluginNumber) {
        let closed = self.plugin_gates.is_closed(plugin);
        if closed {
            self.end_waits_of(plugin);
        }
        for queue in 0..self.queues.len() {
            let Some(entry) = self.queues.get_mut(queue).filter(|entry| entry.holder.plugin == plugin) else {
                continue;
            };
            let before = entry.deliveries();
            entry.closed = closed;
            let now = entry.deliveries();
            self.plugins.change_wanting(plugin, before > 0, now > 0);
            self.apply_demand(queue);
        }
        self.bring_back_for_memory();
    }

    /// Whether the gate of the queue's plugin is closed.
    pub(super) fn is_closed(&self, queue: QueueId) -> bool {
        self.queues.get(queue).is_some_and(|entry| entry.closed)
    }

    /// Ends the waits of the plugin's queues for slots and memory: they are out of the order for another reason, or look anew.
    fn end_waits_of(&mut self, plugin: PluginNumber) {
        let for_memory = self.memory.end_waits_of(&self.queues, plugin);
        for queue in self.plugins.unpark_all(plugin).into_iter().chain(for_memory) {
            self.bring_back(queue);
        }
    }

    /// Tells the order what a queue wants.
    fn apply_demand(&mut self, queue: QueueId) {
        let Some(entry) = self.queues.get(queue) else { return };
        self.fair.set_ready(queue, if entry.parked { 0 } else { entry.deliveries() });
    }

    /// Forgets tenants that are owed nothing, once there are many.
    pub(super) fn forget_idle_tenants(&mut self, now: Instant, is_idle: impl Fn(QueueId) -> bool) {
        if !self.tenants.are_many() {
            return;
        }
        let (tenants, gates, slots) = (&mut self.tenants, &self.gates, &self.slots);
        tenants.forget(|tenant, queues| {
            let is_idle = |&(_, queue): &(PluginNumber, QueueId)| slots.of_queue(queue) == 0 && is_idle(queue);
            gates.get(tenant).is_none_or(|gate| gate.can_be_forgotten(now)) && queues.iter().all(is_idle)
        });
    }

    /// Counts so many more deliveries that the queue's tenant and plugin are owed.
    pub(super) fn add_owed(&mut self, queue: QueueId, deliveries: usize) {
        let Some(Holder { tenant, plugin, .. }) = self.holder(queue) else { return };
        let deliveries = u64::try_from(deliveries).unwrap_or(u64::MAX);
        self.tenants.add_owed(tenant, deliveries);
        self.counts.add_owed(plugin, deliveries);
    }

    pub(super) fn remove_owed(&mut self, queue: QueueId, deliveries: usize) {
        let Some(Holder { tenant, plugin, .. }) = self.holder(queue) else { return };
        let deliveries = u64::try_from(deliveries).unwrap_or(u64::MAX);
        self.tenants.remove_owed(tenant, deliveries);
        self.counts.remove_owed(plugin, deliveries);
    }

    /// The queues of the tenant that this queue is of.
    pub(super) fn sibling_queues(&self, queue: QueueId) -> Option<TenantQueues> {
        self.tenants.queues(self.tenant_of(queue)?).cloned()
    }

    fn holder(&self, queue: QueueId) -> Option<Holder> {
        self.queues.get(queue).map(|entry| entry.holder)
    }

    /// How many deliveries of a plugin may begin, are with workers, and wait for something.
    pub(super) fn counts_of(&self, plugin: PluginNumber) -> InstalledCounts {
        let PluginCount { ready, owed, .. } = self.counts.get(plugin);
        let running = u64::from(self.slots.of_plugin(plugin));
        InstalledCounts { ready, running, waiting: owed.saturating_sub(ready).saturating_sub(running) }
    }

    pub(super) fn tenant_of(&self, queue: QueueId) -> Option<TenantNumber> {
        self.queues.get(queue).map(|entry| entry.holder.tenant)
    }

    pub(super) fn plugin_of(&self, queue: QueueId) -> Option<PluginNumber> {
        self.queues.get(queue).map(|entry| entry.holder.plugin)
    }

    pub(super) fn rank(&self, queue: QueueId) -> Rank {
        self.fair.rank(queue)
    }

    /// Takes what a queue wants. To be called when that has changed.
    pub(super) fn update_ready(&mut self, queue: QueueId, demand: Demand) {
        let Some(entry) = self.queues.get_mut(queue) else { return };
        let wanted = entry.deliveries();
        let before = std::mem::replace(&mut entry.demand, demand);
        self.counts.change_ready(entry.holder.plugin, before.deliveries, demand.deliveries);
        self.plugins.change_wanting(entry.holder.plugin, wanted > 0, entry.deliveries() > 0);
        self.apply_demand(queue);
    }

    /// The queue whose turn it is to begin something, and how many slots it may take. `begun`: queues that the worker can go on with
    /// already.
    pub(super) fn choose(&mut self, begun: &[QueueId], draining: bool) -> Option<(QueueId, u32)> {
        let free = self.slots.free(draining);
        if free == 0 {
            return None;
        }
        let share = self.slots.share_of_queue(self.fair.ready_queues());
        let of_plugin = self.plugins.share(&self.slots);
        loop {
            let room_of =
                |queue: QueueId| self.queue_room(queue, share, of_plugin).min(self.slots.free_for(queue, free));
            let Some(queue) = self.fair.first(|queue| !begun.contains(&queue) && room_of(queue) > 0) else {
                // Other plugins want fewer slots than when these queues were parked.
                let plugin = self.plugins.with_room(&self.slots, of_plugin)?;
                self.unpark(plugin, of_plugin);
                continue;
            };
            match self.plugin_room(queue, of_plugin) {
                0 => self.park(queue),
                _ if !self.memory.fits(&self.view(), queue) => self.wait_for_memory(queue),
                room => return Some((queue, room.min(room_of(queue)).min(self.slots.batch()))),
            }
        }
    }

    /// How many deliveries a worker may take of a queue at once, of the `most` that [`Self::choose`] has given.
    pub(super) fn room_to_take(&self, queue: QueueId, most: u32, fuel_counts: bool) -> usize {
        let Some(tenant) = self.tenant_of(queue) else { return 0 };
        let Some(gate) = self.gates.get(tenant) else { return 0 };
        let room = most.min(gate.room(self.slots.of_tenant(tenant), fuel_counts));
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Reserves the memory of the queue's next call. None when the call may not begin. `is_another`: the worker has taken a job of the
    /// queue already.
    pub(super) fn admit(&mut self, queue: QueueId, next: NextCall, is_another: bool) -> Option<Admitted> {
        let entry = self.queues.get_mut(queue)?;
        entry.demand.next = next;
        let entry = self.queues.get(queue)?;
        // For the first job this was looked at when the queue was chosen.
        if !self.tenant_has_memory(entry) || (is_another && !self.memory.host_fits(entry)) {
            return None;
        }
        self.memory.reserve(entry, &self.slots).ok().map(Admitted)
    }

    /// Gives an admitted call its slot.
    pub(super) fn take(&mut self, queue: QueueId, admitted: Admitted) -> Option<(Permit, Option<Reservation>)> {
        let Admitted(memory) = admitted;
        let holder = self.queues.get(queue)?.holder;
        let permit = self.slots.take(holder, memory.as_ref().map_or(0, Reservation::held));
        Some((permit, memory))
    }

    /// Gives a slot to a call that is alone. It needs no reservation, because all memory is free to grow into.
    pub(super) fn take_alone(&mut self, queue: QueueId) -> Option<Permit> {
        self.take(queue, Admitted(None)).map(|(permit, _)| permit)
    }

    pub(super) fn give_back(&mut self, permit: Permit) {
        self.slots.give_back(permit);
    }

    /// Calls of `queue` ended: requeues those that waited for their slots or memory.
    pub(super) fn calls_ended(&mut self, queue: QueueId) {
        if let Some(&Holder { tenant, plugin, .. }) = self.queues.get(queue).map(|entry| &entry.holder) {
            self.apply_limits(tenant);
            let share = self.plugins.share(&self.slots);
            self.unpark(plugin, share);
        }
        self.bring_back_for_memory();
    }

    /// Lets queues back into the order that waited for memory, if it is there now.
    fn bring_back_for_memory(&mut self) {
        let view = View { queues: &self.queues, gates: &self.gates, slots: &self.slots };
        for queue in self.memory.bring_back(&view) {
            self.bring_back(queue);
        }
    }

    /// Notes how much memory a call of this version of the queue's plugin had.
    pub(super) fn call_had(&mut self, queue: QueueId, version: Version, bytes: u64) {
        if let Some(plugin) = self.plugin_of(queue) {
            self.memory.call_had(plugin, version.since, bytes);
        }
    }

    /// Charges a queue for worker time.
    pub(super) fn charge_time(&mut self, queue: QueueId, nanos: u64) {
        self.fair.charge(queue, nanos);
    }

    /// Charges a queue, of a tenant whose calls are limited, for the time in which it held calls. A guest that waits uses no worker, so its
    /// queue would otherwise always be the one that has had least.
    pub(super) fn charge_wait(&mut self, queue: QueueId, nanos: impl FnOnce() -> u64) {
        let gate = self.tenant_of(queue).and_then(|tenant| self.gates.get(tenant));
        if gate.is_some_and(|gate| gate.max_calls().is_some()) {
            self.fair.charge_within(queue, nanos());
        }
    }

    /// Forgets the time that queues have had, because a drain begins.
    pub(super) fn reset_times(&mut self) {
        self.fair.reset();
    }

    /// Takes the fuel that calls have used from the tenant's. True when the tenant waits for fuel from now on: then the caller applies the
    /// limits.
    pub(super) fn charge_fuel(&mut self, tenant: TenantNumber, used: impl Iterator<Item = u64>, now: Instant) -> bool {
        self.gates.charge_fuel(tenant, used, now)
    }

    /// Counts deferrals of the queue that the observer is to be notified of. The tenant waits for something else already.
    pub(super) fn add_unnotified(&mut self, queue: QueueId, deferrals: usize) {
        if let Some(Holder { tenant, plugin, .. }) = self.holder(queue) {
            self.gates.add_unnotified(tenant, deferrals);
            self.counts.add_unnotified(plugin, deferrals);
        }
    }

    /// Counts a deferral of the queue no more: the observer was notified of it, or is not going to be.
    pub(super) fn notified(&mut self, queue: QueueId) {
        if let Some(Holder { tenant, plugin, .. }) = self.holder(queue) {
            self.gates.notified(tenant);
            self.counts.notified(plugin);
            self.apply_limits(tenant);
        }
    }

    /// Counts so many more unwritten bytes that the queue's plugin has stored for its tenant.
    pub(super) fn add_unwritten(&mut self, queue: QueueId, bytes: u64) {
        if let Some(plugin) = self.plugin_of(queue) {
            self.counts.add_unwritten(plugin, bytes);
        }
        self.change_unwritten(queue, |unwritten| unwritten.saturating_add(bytes));
    }

    /// Counts so many unwritten bytes no more: they are written, or set aside.
    pub(super) fn written(&mut self, queue: QueueId, bytes: u64) {
        if let Some(plugin) = self.plugin_of(queue) {
            self.counts.written(plugin, bytes);
        }
        self.change_unwritten(queue, |unwritten| unwritten.saturating_sub(bytes));
    }

    /// Changes how many bytes of the queue's tenant are unwritten.
    pub(super) fn change_unwritten(&mut self, queue: QueueId, change: impl FnOnce(u64) -> u64) {
        if let Some(tenant) = self.tenant_of(queue) {
            self.gates.change_unwritten(tenant, change);
            self.apply_gate(tenant);
        }
    }

    /// Applies the tenant's gate, because its count of calls or its fuel has changed.
    pub(super) fn apply_limits(&mut self, tenant: TenantNumber) {
        if self.gates.get(tenant).is_some_and(Gate::is_limited) {
            self.apply_gate(tenant);
        }
    }

    /// Changes what the tenant may use.
    pub(super) fn change_quota(&mut self, tenant: TenantNumber, quota: &TenantQuota, now: Instant) {
        self.gates.change(tenant, quota, now);
        self.apply_gate(tenant);
    }

    /// Takes the tenant out of the order if its gate is closed, and lets it back in otherwise.
    fn apply_gate(&mut self, tenant: TenantNumber) {
        let Some(gate) = self.gates.get(tenant) else { return };
        let is_throttled = gate.closed_by(self.slots.of_tenant(tenant)).is_some();
        self.fair.throttle(tenant, is_throttled);
        if is_throttled {
            self.memory.clear_next_of(&self.queues, tenant);
        }
    }

    /// Lets tenants go on whose fuel flows again by now.
    pub(super) fn refill(&mut self, now: Instant) {
        while let Some(tenant) = self.gates.refilled(now) {
            self.apply_limits(tenant);
        }
    }

    /// Stops counting fuel.
    pub(super) fn stop_counting_fuel(&mut self) {
        for tenant in self.gates.stop_counting_fuel() {
            self.apply_limits(tenant);
        }
    }

    /// Whether anything would begin, if its tenant did not have to wait for the journal.
    pub(super) fn journal_holds_up(&self) -> bool {
        self.gates.waiting_for_journal().any(|tenant| self.fair.ready_deliveries_of(tenant) > 0)
    }

    /// Ends all waits for memory, because nothing begins any more. No memory stays reserved for a next call: other runtimes share it.
    pub(super) fn end_waits_for_memory(&mut self) {
        let view = View { queues: &self.queues, gates: &self.gates, slots: &self.slots };
        for queue in self.memory.end_idle_waits(&view) {
            if let Some(entry) = self.queues.get_mut(queue) {
                entry.parked = false;
            }
        }
        self.set_no_memory_aside();
    }

    /// Frees the memory that is reserved for the next call.
    pub(super) fn set_no_memory_aside(&mut self) {
        self.memory.clear_next();
    }

    fn view(&self) -> View<'_> {
        View { queues: &self.queues, gates: &self.gates, slots: &self.slots }
    }

    /// How many slots one queue may take now. It may hold its `share` of all slots. Where there are several tenants it may hold an equal
    /// part of what its plugin may hold, so that one tenant's input does not use the plugin up for the others. Where its tenant's calls are
    /// limited it may hold an equal part of them. The room is 0 when the tenant has its part of the memory. A queue without room holds a
    /// slot, or its tenant does, so there are few such queues to pass by.
    fn queue_room(&self, queue: QueueId, share: u32, of_plugin: u32) -> u32 {
        let Some(entry) = self.queues.get(queue) else { return 0 };
        if !self.tenant_has_memory(entry) {
            return 0;
        }
        let Holder { tenant, plugin, .. } = entry.holder;
        let mut most = share;
        if self.tenants.len() > 1 {
            most = most.min(part_of(of_plugin, self.plugins.wanting(plugin).max(2)));
        }
        if let Some(calls) = self.gates.get(tenant).and_then(Gate::max_calls)
            && let Some(queues) = self.tenants.queues(tenant)
        {
            let wants = |&&(_, queue): &&(PluginNumber, QueueId)| {
                self.queues.get(queue).is_some_and(|entry| entry.deliveries() > 0) || self.slots.of_queue(queue) > 0
            };
            most = most.min(part_of(calls, queues.iter().filter(wants).count()));
        }
        most.saturating_sub(self.slots.of_queue(queue))
    }

    /// How many slots the queue's plugin may take now.
    fn plugin_room(&self, queue: QueueId, share: u32) -> u32 {
        self.plugin_of(queue).map_or(share, |plugin| share.saturating_sub(self.slots.of_plugin(plugin)))
    }

    /// Whether the queue's tenant may reserve memory for this call. A tenant may reserve for one call in any case. Where there are several
    /// tenants it may reserve an equal part of all memory, and half at most.
    fn tenant_has_memory(&self, entry: &QueueEntry) -> bool {
        if self.tenants.len() <= 1 {
            return true;
        }
        let held = self.slots.memory_of_tenant(entry.holder.tenant);
        if held == 0 {
            return true;
        }
        let Some((part, wanted)) = self.memory.wanted(entry) else { return true };
        let queues = (self.fair.ready_queues() + self.memory.waiting()).max(2);
        held.saturating_add(wanted) <= part.limit_of_all() / u64::try_from(queues).unwrap_or(u64::MAX)
    }

    /// Parks a queue, whose plugin holds all the slots that it may.
    fn park(&mut self, queue: QueueId) {
        let Some(entry) = self.queues.get_mut(queue) else { return };
        entry.parked = true;
        self.plugins.park(entry.holder.plugin, queue);
        self.fair.set_ready(queue, 0);
    }

    fn unpark(&mut self, plugin: PluginNumber, share: u32) {
        for queue in self.plugins.unpark(plugin, &self.slots, share) {
            self.bring_back(queue);
        }
    }

    fn wait_for_memory(&mut self, queue: QueueId) {
        let view = View { queues: &self.queues, gates: &self.gates, slots: &self.slots };
        self.memory.wait(&view, queue);
        if let Some(entry) = self.queues.get_mut(queue) {
            entry.parked = true;
        }
        self.fair.set_ready(queue, 0);
    }

    /// Lets a parked queue back into the order.
    fn bring_back(&mut self, queue: QueueId) {
        let Some(entry) = self.queues.get_mut(queue) else { return };
        entry.parked = false;
        self.apply_demand(queue);
    }
}

#[cfg(any(test, shuttle))]
impl Scheduler {
    pub(super) fn memory(&self) -> &MemoryTurns {
        &self.memory
    }

    #[cfg(shuttle)]
    pub(super) fn plugins(&self) -> &PluginShares {
        &self.plugins
    }

    #[cfg(test)]
    pub(super) fn queues(&self) -> &[QueueEntry] {
        &self.queues
    }
}
