//! Admits calls by memory. A call reserves what recent calls of its plugin took, of what the plugin's calls and all calls may
//! have together. [`MemoryAccount`](crate::sandbox::MemoryAccount) handles calls that then grow.
//!
//! A queue whose next call finds no memory *waits* as a worker comes by it, out of the order: looking for work costs it nothing.
//! Queues come back in the order in which they began to wait, as calls end. For the next of them memory is reserved, half
//! of what comes back: so a large call has its turn, and small ones go on until then.

use std::collections::VecDeque;
use std::sync::Arc;

use super::demand::QueueEntry;
use super::high_water::HighWater;
use super::ids::{QueueId, TenantNumber};
use super::slots::Slots;
use super::tenant_gates::Gates;
use crate::installed::{Installed, PluginNumber, PluginSetNumber};
use crate::sandbox::{MemoryPart, Plugin, Reservation};

/// What the calls of one plugin take.
#[derive(Debug, Default)]
pub(super) struct PluginMemory {
    part: Option<Arc<MemoryPart>>,
    /// Says what the host can keep for its calls.
    plugin: Option<Plugin>,
    /// The first set of plugins that has this version of it.
    since: PluginSetNumber,
    /// Bytes that each call has from the start.
    least: u64,
    /// Bytes that the last calls had.
    peaks: HighWater,
    /// Queues that wait for memory, each with its turn among all that do; the oldest in front.
    waiting: VecDeque<(u64, QueueId)>,
}

impl PluginMemory {
    pub(super) fn new(installed: &Installed) -> Self {
        let plugin = &installed.plugin;
        let (since, plugin_of_calls) = (installed.version().since, Some(plugin.clone()));
        Self { plugin: plugin_of_calls, since, ..Self::of(plugin.memory().clone(), plugin.least_memory()) }
    }

    pub(super) fn of(part: Arc<MemoryPart>, least: u64) -> Self {
        Self { part: Some(part), least, ..Self::default() }
    }
}

/// The queues that wait for memory, and whose turn is next.
#[derive(Debug, Default)]
pub(super) struct MemoryTurns {
    /// By number.
    plugins: Vec<PluginMemory>,
    count: usize,
    next_turn: u64,
    /// The next in turn, and of what memory is reserved for it.
    next: Option<(QueueId, Arc<MemoryPart>)>,
}

/// There is no memory for the call now.
pub(super) struct NoRoom;

/// What decides whose turn it is, besides memory.
pub(super) struct View<'a> {
    pub(super) queues: &'a [QueueEntry],
    pub(super) gates: &'a Gates,
    pub(super) slots: &'a Slots,
}

impl View<'_> {
    /// Whether the queue's tenant may begin nothing now, for a reason of its own.
    fn is_throttled(&self, queue: QueueId) -> bool {
        let tenant = self.queues.get(queue).map(|entry| entry.holder.tenant);
        let gate = tenant.and_then(|tenant| Some((tenant, self.gates.get(tenant)?)));
        gate.is_some_and(|(tenant, gate)| gate.closed_by(self.slots.of_tenant(tenant)).is_some())
    }

    fn wants(&self, queue: QueueId) -> bool {
        self.queues.get(queue).is_some_and(|entry| entry.deliveries() > 0)
    }

    fn nobody_is_under_way(&self) -> bool {
        self.slots.taken() == 0
    }
}

impl MemoryTurns {
    pub(super) fn new(plugins: Vec<PluginMemory>) -> Self {
        Self { plugins, ..Self::default() }
    }

    /// Queues that wait.
    pub(super) fn waiting(&self) -> usize {
        self.count
    }

    /// What the calls of a plugin take that has this number from now on.
    pub(super) fn set(&mut self, plugin: PluginNumber, memory: PluginMemory) {
        if self.plugins.len() <= plugin {
            self.plugins.resize_with(plugin + 1, PluginMemory::default);
        }
        if let Some(one) = self.plugins.get_mut(plugin) {
            *one = memory;
        }
    }

    /// Removes and returns the plugin's waiting queues; the caller requeues them. No memory stays reserved for the plugin's next call.
    pub(super) fn end_waits_of(&mut self, queues: &[QueueEntry], plugin: PluginNumber) -> Vec<QueueId> {
        let is_of_it = |queue: QueueId| queues.get(queue).is_some_and(|entry| entry.holder.plugin == plugin);
        if self.next.as_ref().is_some_and(|(next, _)| is_of_it(*next)) {
            self.clear_next();
        }
        let waited = self.plugins.get_mut(plugin).map(|one| std::mem::take(&mut one.waiting)).unwrap_or_default();
        self.count -= waited.len();
        waited.into_iter().map(|(_, queue)| queue).collect()
    }

    /// A call of this version of the plugin had so much. What calls of another had says nothing of it.
    pub(super) fn call_had(&mut self, plugin: PluginNumber, since: PluginSetNumber, bytes: u64) {
        if let Some(plugin) = self.plugins.get_mut(plugin)
            && plugin.since == since
        {
            plugin.peaks.add(bytes);
        }
    }

    /// Bytes that the queue's next call reserves, and of what.
    pub(super) fn wanted(&self, entry: &QueueEntry) -> Option<(&Arc<MemoryPart>, u64)> {
        let PluginMemory { part, least, peaks, .. } = self.plugins.get(entry.holder.plugin)?;
        let part = part.as_ref()?;
        let wanted = entry.demand.next.memory.max(*least).max(peaks.most()).min(part.most());
        (wanted > 0).then_some((part, wanted))
    }

    /// Whether the host can keep what it could not keep when the queue's next call was put back.
    pub(super) fn host_fits(&self, entry: &QueueEntry) -> bool {
        let bytes = entry.demand.next.host_memory;
        let plugin = || self.plugins.get(entry.holder.plugin)?.plugin.as_ref();
        bytes == 0 || plugin().is_none_or(|plugin| plugin.has_host_memory_for(bytes))
    }

    /// Whether the queue's next call finds its memory now. When none of ours is under way nobody would tell us of memory
    /// that comes back: the call begins, and waits by itself.
    pub(super) fn fits(&self, view: &View<'_>, queue: QueueId) -> bool {
        let Some(entry) = view.queues.get(queue) else { return true };
        let is_next = self.is_next(queue);
        let fits = |(part, wanted): (&Arc<MemoryPart>, u64)| part.fits(wanted, is_next);
        view.nobody_is_under_way() || (self.wanted(entry).is_none_or(fits) && self.host_fits(entry))
    }

    /// Reserves what the queue's next call wants.
    pub(super) fn reserve(&mut self, entry: &QueueEntry, slots: &Slots) -> Result<Option<Reservation>, NoRoom> {
        let is_next = self.is_next(entry.holder.queue);
        let reserved = match self.wanted(entry) {
            None => Ok(None),
            Some((part, wanted)) => match part.reserve(wanted, is_next) {
                Some(reservation) => Ok(Some(reservation)),
                None if slots.taken() == 0 => Ok(None),
                None => Err(NoRoom),
            },
        };
        if is_next && reserved.is_ok() {
            self.clear_next();
        }
        reserved
    }

    /// The queue's next call finds no memory. The caller takes it out of the order.
    pub(super) fn wait(&mut self, view: &View<'_>, queue: QueueId) {
        let Some(entry) = view.queues.get(queue) else { return };
        let is_next = self.is_next(queue);
        self.next_turn += 1;
        self.count += 1;
        if let Some(plugin) = self.plugins.get_mut(entry.holder.plugin) {
            if is_next {
                // Somebody grew meanwhile: it keeps its turn.
                plugin.waiting.push_front((0, queue));
            } else {
                plugin.waiting.push_back((self.next_turn, queue));
            }
        }
        if is_next {
            self.set_next(view, queue);
        } else if self.next.is_none() {
            self.choose_next(view);
        }
    }

    /// Calls have ended: gives the queues that come back because there is memory for them now. When nothing is under way one does in
    /// any case, so that none waits with nobody to bring it back.
    pub(super) fn bring_back(&mut self, view: &View<'_>) -> Vec<QueueId> {
        let mut back = Vec::new();
        if self.count == 0 && self.next.is_none() {
            return back;
        }
        self.clear_idle_next(view);
        if self.next.is_none() {
            self.choose_next(view);
        }
        // What queues that came back already are going to take. What the next takes is reserved for it.
        let mut planned = 0;
        let mut nobody = view.nobody_is_under_way();
        while let Some((plugin, at)) = self.next_to_return(view, planned, nobody) {
            let waiting = self.plugins.get_mut(plugin).and_then(|plugin| plugin.waiting.remove(at));
            let Some((_, queue)) = waiting else { break };
            if self.is_next(queue) {
                self.set_next(view, queue);
            } else {
                let wanted = view.queues.get(queue).and_then(|entry| self.wanted(entry));
                planned += wanted.map_or(0, |(_, wanted)| wanted);
            }
            self.count -= 1;
            // One that is throttled begins nothing, and brings nobody else back.
            nobody &= view.is_throttled(queue) || !view.wants(queue);
            back.push(queue);
        }
        back
    }

    /// The queue that has waited longest of those that may come back: its plugin, and where it is there. Behind the next in
    /// turn, whose next call may be larger than others, those of its plugin go on.
    fn next_to_return(
        &self,
        view: &View<'_>,
        planned: u64,
        nobody_is_under_way: bool,
    ) -> Option<(PluginNumber, usize)> {
        let comes = |queue: QueueId| {
            let Some(entry) = view.queues.get(queue) else { return true };
            let is_next = self.is_next(queue);
            let fits = |(part, wanted): (&Arc<MemoryPart>, u64)| part.fits(wanted.saturating_add(planned), is_next);
            nobody_is_under_way || !view.wants(queue) || (self.wanted(entry).is_none_or(fits) && self.host_fits(entry))
        };
        // One that is throttled keeps its turn, and nobody waits behind it.
        let may_begin = |queue: QueueId| nobody_is_under_way || !view.is_throttled(queue);
        let oldest = self.plugins.iter().enumerate().filter_map(|(plugin, has)| {
            let waiting = has.waiting.iter().enumerate();
            let mut waiting = waiting.filter(|(_, (_, queue))| may_begin(*queue)).take(2);
            let (at, &(turn, _)) = waiting.find(|(_, (_, queue))| comes(*queue))?;
            Some((turn, plugin, at))
        });
        oldest.min().map(|(_, plugin, at)| (plugin, at))
    }

    fn is_next(&self, queue: QueueId) -> bool {
        self.next.as_ref().is_some_and(|(next, _)| *next == queue)
    }

    /// The oldest that may begin something, which from then on stands in front of its plugin's, where it is looked for.
    fn choose_next(&mut self, view: &View<'_>) {
        let may_begin = |queue: QueueId| {
            !view.is_throttled(queue) && view.queues.get(queue).is_none_or(|entry| self.host_fits(entry))
        };
        let oldest = self.plugins.iter().enumerate().filter_map(|(plugin, has)| {
            let mut waiting = has.waiting.iter().enumerate();
            let (at, &(turn, queue)) = waiting.find(|&(_, &(_, queue))| may_begin(queue))?;
            Some((turn, plugin, at, queue))
        });
        let Some((_, plugin, at, queue)) = oldest.min() else { return };
        if let Some(waiting) = self.plugins.get_mut(plugin).map(|plugin| &mut plugin.waiting)
            && at > 0
            && let Some(oldest) = waiting.remove(at)
        {
            waiting.push_front(oldest);
        }
        self.set_next(view, queue);
    }

    fn set_next(&mut self, view: &View<'_>, queue: QueueId) {
        let wanted = view.queues.get(queue).and_then(|entry| self.wanted(entry));
        if let Some((part, wanted)) = wanted {
            let part = part.clone();
            part.reserve_for_next(wanted);
            self.next = Some((queue, part));
        }
    }

    /// Nothing is reserved for a next one any more: nothing begins, or other runtimes have their calls of it as well.
    pub(super) fn clear_next(&mut self) {
        if let Some((_, part)) = self.next.take() {
            part.clear_next();
        }
    }

    /// This tenant may begin nothing now: if the next in turn is of it, the others have what is reserved for it.
    pub(super) fn clear_next_of(&mut self, queues: &[QueueEntry], tenant: TenantNumber) {
        let is_of_it = |queue: QueueId| queues.get(queue).is_some_and(|entry| entry.holder.tenant == tenant);
        if self.next.as_ref().is_some_and(|(next, _)| is_of_it(*next)) {
            self.clear_next();
        }
    }

    /// Ends the turn of the next one if it is owed nothing any more.
    fn clear_idle_next(&mut self, view: &View<'_>) {
        if self.next.as_ref().is_some_and(|(next, _)| !view.wants(*next)) {
            self.clear_next();
        }
    }

    /// Queues that are owed nothing any more do not wait: gives them.
    pub(super) fn end_idle_waits(&mut self, view: &View<'_>) -> Vec<QueueId> {
        self.clear_idle_next(view);
        let mut idle = Vec::new();
        for plugin in &mut self.plugins {
            plugin.waiting.retain(|&(_, queue)| {
                let wants = view.wants(queue);
                if !wants {
                    idle.push(queue);
                }
                wants
            });
        }
        self.count -= idle.len();
        idle
    }

    #[cfg(test)]
    pub(super) fn has_next(&self) -> bool {
        self.next.is_some()
    }

    #[cfg(shuttle)]
    pub(super) fn held(&self) -> u64 {
        self.plugins.iter().map(|plugin| plugin.part.as_ref().map_or(0, |part| part.used())).sum()
    }
}
