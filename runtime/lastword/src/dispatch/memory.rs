//! Memory that a call has to have before it begins. It reserves what calls of its plugin took of late, of what the plugin's
//! calls and all calls may have together; in [`MemoryAccount`](crate::sandbox::MemoryAccount) is what becomes of one that
//! takes more.
//!
//! A queue whose next call finds no memory *waits* as a worker comes by it, out of the order: looking for work costs it nothing.
//! Queues come back in the order in which they began to wait, as calls end. For the first of them memory is set aside, half
//! of what comes back: so a large call has its turn, and small ones go on until then.

use std::collections::VecDeque;
use std::sync::Arc;

use super::PluginNumber;
use super::fair::{QueueId, TenantNumber};
use super::high_water::HighWater;
use super::queue::{Job, Queue};
use super::state::State;
use super::tenant::Tenant;
use crate::sandbox::{MemoryPart, Plugin, Reservation};

/// A delivery with what its call has reserved. It holds a slot.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) job: Job,
    /// Bytes, as they count for the tenant.
    pub(crate) reserved: u64,
    /// Until the call has it; none when it needs none.
    pub(crate) memory: Option<Reservation>,
}

/// What the calls of one plugin take.
#[derive(Debug, Default)]
pub(super) struct PluginMemory {
    part: Option<Arc<MemoryPart>>,
    /// Says what the host can keep for its calls.
    plugin: Option<Plugin>,
    /// Bytes that each call has from the start.
    least: u64,
    /// Bytes that the last calls had.
    peaks: HighWater,
    /// Queues that wait for memory, each with its place among all that do; the oldest in front.
    waiting: VecDeque<(u64, QueueId)>,
}

/// The queues that wait.
#[derive(Debug, Default)]
pub(super) struct MemoryTurns {
    count: usize,
    next_place: u64,
    /// The first in turn, for which memory is set aside, of what.
    first: Option<(QueueId, Arc<MemoryPart>)>,
}

#[cfg(test)]
impl MemoryTurns {
    pub(super) fn is_set_aside(&self) -> bool {
        self.first.is_some()
    }
}

/// There is no memory for the call now.
struct NoRoom;

impl PluginMemory {
    pub(super) fn new(plugin: &Plugin) -> Self {
        Self { plugin: Some(plugin.clone()), ..Self::of(plugin.memory().clone(), plugin.least_memory()) }
    }

    pub(super) fn of(part: Arc<MemoryPart>, least: u64) -> Self {
        Self { part: Some(part), least, ..Self::default() }
    }

    /// A call had so much.
    pub(super) fn count(&mut self, bytes: u64) {
        self.peaks.add(bytes);
    }

    #[cfg(shuttle)]
    pub(super) fn held(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.used())
    }

    #[cfg(any(test, shuttle))]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl State {
    /// Bytes that the queue's next call reserves, and of what.
    fn wanted_memory(&self, queue: QueueId) -> Option<(&Arc<MemoryPart>, u64)> {
        let q = self.queues.get(queue)?;
        let PluginMemory { part, least, peaks, .. } = &self.plugins.get(q.plugin)?.memory;
        let part = part.as_ref()?;
        let asked_for = q.ready.front().map_or(0, Job::wanted_memory);
        let wanted = asked_for.max(*least).max(peaks.most()).min(part.most());
        (wanted > 0).then_some((part, wanted))
    }

    /// Whether the queue's tenant may reserve more: its equal part of all memory, half at most, where there are several tenants;
    /// and one call in any case.
    pub(super) fn tenant_has_memory(&self, queue: QueueId) -> bool {
        if self.tenants.len() <= 1 {
            return true;
        }
        let held = self.tenant_of(queue).and_then(|number| self.accounts.get(number)).map_or(0, |tenant| tenant.memory);
        if held == 0 {
            return true;
        }
        let Some((part, wanted)) = self.wanted_memory(queue) else { return true };
        let queues = u64::try_from((self.fair.ready_queues() + self.memory.count).max(2)).unwrap_or(u64::MAX);
        held.saturating_add(wanted) <= part.limit_of_all() / queues
    }

    /// Whether the host can keep what it could not keep when the queue's next call was put back.
    fn host_memory_fits(&self, queue: QueueId) -> bool {
        let wanted = |q: &Queue| match q.ready.front() {
            Some(Job::Queued(delivery)) if delivery.wanted_host_memory > 0 => {
                Some((q.plugin, delivery.wanted_host_memory))
            }
            _ => None,
        };
        let Some((plugin, bytes)) = self.queues.get(queue).and_then(wanted) else { return true };
        let plugin = self.plugins.get(plugin).and_then(|plugin| plugin.memory.plugin.as_ref());
        plugin.is_none_or(|plugin| plugin.keeps_as_much(bytes))
    }

    /// Whether the queue's tenant may begin nothing now, for a quota of its own.
    fn is_throttled(&self, queue: QueueId) -> bool {
        self.tenant_of(queue).and_then(|number| self.accounts.get(number)).is_some_and(Tenant::is_throttled)
    }

    fn is_first_for_memory(&self, queue: QueueId) -> bool {
        self.memory.first.as_ref().is_some_and(|(first, _)| *first == queue)
    }

    /// Whether the queue's next call finds its memory now. When none of ours is under way nobody would tell us of memory
    /// that comes back: the call begins, and waits by itself.
    pub(super) fn memory_fits(&self, queue: QueueId) -> bool {
        let first = self.is_first_for_memory(queue);
        let fits = |(part, wanted): (&Arc<MemoryPart>, u64)| part.fits(wanted, first);
        self.taken == 0 || (self.wanted_memory(queue).is_none_or(fits) && self.host_memory_fits(queue))
    }

    fn reserve(&mut self, queue: QueueId, nobody_is_under_way: bool) -> Result<Option<Reservation>, NoRoom> {
        let first = self.is_first_for_memory(queue);
        let reserved = match self.wanted_memory(queue) {
            None => Ok(None),
            Some((part, wanted)) => match part.reserve(wanted, first) {
                Some(reservation) => Ok(Some(reservation)),
                None if nobody_is_under_way => Ok(None),
                None => Err(NoRoom),
            },
        };
        if first && reserved.is_ok() {
            self.end_first_for_memory();
        }
        reserved
    }

    /// The next delivery of a queue, with the memory for its call, when both are there.
    pub(super) fn take_one(&mut self, queue: QueueId, taken_already: usize) -> Option<Taken> {
        if self.queues.get(queue)?.ready_len() == 0 || !self.tenant_has_memory(queue) {
            return None;
        }
        // For the first this was looked at when the queue was chosen.
        if taken_already > 0 && !self.host_memory_fits(queue) {
            return None;
        }
        let memory = self.reserve(queue, self.taken == 0 && taken_already == 0).ok()?;
        let reserved = memory.as_ref().map_or(0, Reservation::held);
        let job = self.queues.get_mut(queue)?.next_job()?;
        if let Some(tenant) = self.tenant_of(queue).and_then(|number| self.accounts.get_mut(number)) {
            tenant.memory += reserved;
        }
        Some(Taken { job, reserved, memory })
    }

    /// The queue's next call finds no memory.
    pub(super) fn wait_for_memory(&mut self, queue: QueueId) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.parked = true;
        let plugin = q.plugin;
        let is_first = self.is_first_for_memory(queue);
        self.memory.next_place += 1;
        self.memory.count += 1;
        if let Some(plugin) = self.plugins.get_mut(plugin) {
            let waiting = &mut plugin.memory.waiting;
            if is_first {
                // Somebody grew meanwhile: it keeps its turn.
                waiting.push_front((0, queue));
            } else {
                waiting.push_back((self.memory.next_place, queue));
            }
        }
        if is_first {
            self.be_first_for_memory(queue);
        } else if self.memory.first.is_none() {
            self.choose_first_for_memory();
        }
        self.update_ready(queue);
    }

    /// The oldest that may begin something, which from then on stands in front of its plugin's, where it is looked for.
    fn choose_first_for_memory(&mut self) {
        let oldest = self.plugins.iter().enumerate().filter_map(|(plugin, has)| {
            let mut waiting = has.memory.waiting.iter().enumerate();
            let (at, &(place, queue)) =
                waiting.find(|&(_, &(_, queue))| !self.is_throttled(queue) && self.host_memory_fits(queue))?;
            Some((place, plugin, at, queue))
        });
        let Some((_, plugin, at, queue)) = oldest.min() else { return };
        if let Some(waiting) = self.plugins.get_mut(plugin).map(|plugin| &mut plugin.memory.waiting)
            && at > 0
            && let Some(oldest) = waiting.remove(at)
        {
            waiting.push_front(oldest);
        }
        self.be_first_for_memory(queue);
    }

    fn be_first_for_memory(&mut self, queue: QueueId) {
        if let Some((part, wanted)) = self.wanted_memory(queue) {
            let part = part.clone();
            part.set_aside(wanted);
            self.memory.first = Some((queue, part));
        }
    }

    fn end_first_for_memory(&mut self) {
        if let Some((_, part)) = self.memory.first.take() {
            part.end_aside();
        }
    }

    /// This tenant may begin nothing now: if the first in turn is of it, the others have what is set aside.
    pub(super) fn end_first_of(&mut self, tenant: TenantNumber) {
        if self.memory.first.as_ref().is_some_and(|(first, _)| self.tenant_of(*first) == Some(tenant)) {
            self.end_first_for_memory();
        }
    }

    /// Ends the turn of a first that is owed nothing any more.
    fn end_idle_first_for_memory(&mut self) {
        let owes = |first: QueueId| self.queues.get(first).is_some_and(|q| q.ready_len() > 0);
        if self.memory.first.as_ref().is_some_and(|(first, _)| !owes(*first)) {
            self.end_first_for_memory();
        }
    }

    /// Calls have ended: queues come back for which there is memory now. When nothing is under way one does in any case, so that
    /// none waits with nobody to bring it back.
    pub(super) fn bring_back_for_memory(&mut self) {
        if self.memory.count == 0 && self.memory.first.is_none() {
            return;
        }
        self.end_idle_first_for_memory();
        if self.memory.first.is_none() {
            self.choose_first_for_memory();
        }
        // What queues that came back already are going to take. What the first takes is set aside.
        let mut planned = 0;
        let mut nobody = self.taken == 0;
        while let Some((plugin, at)) = self.next_for_memory(planned, nobody) {
            let waiting = self.plugins.get_mut(plugin).and_then(|plugin| plugin.memory.waiting.remove(at));
            let Some((_, queue)) = waiting else { return };
            if self.is_first_for_memory(queue) {
                self.be_first_for_memory(queue);
            } else {
                planned += self.wanted_memory(queue).map_or(0, |(_, wanted)| wanted);
            }
            self.memory.count -= 1;
            // One that is held back begins nothing, and brings nobody else back.
            let throttled = self.is_throttled(queue);
            if let Some(q) = self.queues.get_mut(queue) {
                q.parked = false;
                nobody &= throttled || q.ready_len() == 0;
            }
            self.update_ready(queue);
        }
    }

    /// Nothing begins any more: no memory is set aside for it, of which other runtimes have their calls as well.
    pub(super) fn leave_memory_to_others(&mut self) {
        if self.memory.first.is_some() {
            self.end_first_for_memory();
        }
    }

    /// Queues that are owed nothing any more do not wait.
    pub(super) fn end_idle_waits_for_memory(&mut self) {
        self.end_idle_first_for_memory();
        for plugin in &mut self.plugins {
            plugin.memory.waiting.retain(|(_, queue)| {
                let Some(q) = self.queues.get_mut(*queue) else { return false };
                q.parked = q.ready_len() > 0;
                self.memory.count -= usize::from(!q.parked);
                q.parked
            });
        }
    }

    /// The queue that has waited longest of those that may come back: its plugin, and its place there. Behind the first in
    /// turn, whose next call may be larger than others, those of its plugin go on.
    fn next_for_memory(&self, planned: u64, nobody_is_under_way: bool) -> Option<(PluginNumber, usize)> {
        let comes = |queue: QueueId| {
            let owes = self.queues.get(queue).is_some_and(|q| q.ready_len() > 0);
            let first = self.is_first_for_memory(queue);
            let fits = |(part, wanted): (&Arc<MemoryPart>, u64)| part.fits(wanted.saturating_add(planned), first);
            nobody_is_under_way || !owes || (self.wanted_memory(queue).is_none_or(fits) && self.host_memory_fits(queue))
        };
        // One that is held back keeps its place, and nobody waits behind it.
        let may_begin = |queue: QueueId| nobody_is_under_way || !self.is_throttled(queue);
        let oldest = self.plugins.iter().enumerate().filter_map(|(plugin, has)| {
            let waiting = has.memory.waiting.iter().enumerate();
            let mut waiting = waiting.filter(|(_, (_, queue))| may_begin(*queue)).take(2);
            let (at, &(place, _)) = waiting.find(|(_, (_, queue))| comes(*queue))?;
            Some((place, plugin, at))
        });
        oldest.min().map(|(_, plugin, at)| (plugin, at))
    }
}
