//! How many slots a plugin may hold, over all tenants. One that hangs for everybody would otherwise hold a slot in each of
//! a thousand queues, and leave none to the others.
//!
//! When a plugin holds all that it may, its queues are *parked* as a worker comes by them: looking for work costs each of
//! them once, and not at every look. They come back as its calls end.

use std::collections::VecDeque;

use super::PluginNumber;
use super::fair::QueueId;
use super::memory::PluginMemory;
use super::state::State;

/// What the dispatcher keeps count of for a plugin.
#[derive(Debug, Default)]
pub(super) struct PluginUse {
    /// Deliveries that workers have taken.
    pub(super) taken: u32,
    /// Queues with deliveries that may begin, parked or not.
    pub(super) wanting: usize,
    pub(super) parked: VecDeque<QueueId>,
    pub(super) memory: PluginMemory,
}

impl PluginUse {
    pub(super) fn new(memory: PluginMemory) -> Self {
        Self { memory, ..Self::default() }
    }
}

impl State {
    /// Says how many deliveries of a queue may begin. To be called when they have become more or fewer.
    pub(super) fn update_ready(&mut self, queue: QueueId) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        let ready = q.ready_len();
        let wanted = std::mem::replace(&mut q.wanting, ready > 0);
        if let Some(plugin) = self.plugins.get_mut(q.plugin) {
            plugin.wanting = plugin.wanting + usize::from(q.wanting) - usize::from(wanted);
        }
        self.fair.set_ready(queue, if q.parked { 0 } else { ready });
    }

    /// Slots that one plugin may hold: at most half, and its equal part when many want some. A plugin that is alone may
    /// have them all.
    pub(super) fn slots_of_one_plugin(&self, slots: u32) -> u32 {
        if self.plugins.len() <= 1 {
            return slots;
        }
        let active = self.plugins.iter().filter(|plugin| plugin.wanting > 0 || plugin.taken > 0).count();
        part_of(slots, active.max(2))
    }

    /// Slots that one queue may take now. It has its `share` of all; where there are several tenants, an equal part of what
    /// its plugin may hold, so that one tenant's input does not use the plugin up for the others; and an equal part of its
    /// tenant's calls, where those are limited. None when its tenant has its part of the memory. A queue without room holds a
    /// slot, or its tenant does, so there are few of them to pass by.
    pub(super) fn queue_room(&self, queue: QueueId, share: u32, of_plugin: u32) -> u32 {
        let Some(q) = self.queues.get(queue) else { return 0 };
        if !self.tenant_has_memory(queue) {
            return 0;
        }
        let mut most = share;
        if self.tenants.len() > 1
            && let Some(plugin) = self.plugins.get(q.plugin)
        {
            most = most.min(part_of(of_plugin, plugin.wanting.max(2)));
        }
        if let Some(account) = self.accounts.get(q.owner)
            && let Some(calls) = account.max_calls()
        {
            let wants = |&&(_, queue): &&(PluginNumber, QueueId)| {
                self.queues.get(queue).is_some_and(|q| q.wanting || q.taken > 0)
            };
            most = most.min(part_of(calls, account.queues.iter().filter(wants).count()));
        }
        most.saturating_sub(q.taken)
    }

    /// Slots that the queue's plugin may take now.
    pub(super) fn plugin_room(&self, queue: QueueId, share: u32) -> u32 {
        let plugin = self.queues.get(queue).and_then(|q| self.plugins.get(q.plugin));
        plugin.map_or(share, |plugin| share.saturating_sub(plugin.taken))
    }

    /// Its plugin holds all that it may.
    pub(super) fn park(&mut self, queue: QueueId) {
        let Some(q) = self.queues.get_mut(queue) else { return };
        q.parked = true;
        if let Some(plugin) = self.plugins.get_mut(q.plugin) {
            plugin.parked.push_back(queue);
        }
        self.update_ready(queue);
    }

    /// Brings queues of one plugin back that holds fewer slots than it may. False when there is none.
    pub(super) fn unpark_one_with_room(&mut self, share: u32) -> bool {
        let has_room = |plugin: &PluginUse| !plugin.parked.is_empty() && plugin.taken < share;
        let Some(number) = self.plugins.iter().position(has_room) else { return false };
        self.unpark(number, share);
        true
    }

    /// Calls of the plugin have ended: as many of its queues come back as it may take slots, and all of them when it holds
    /// none, so that none is parked with nobody to bring it back.
    pub(super) fn unpark(&mut self, number: PluginNumber, share: u32) {
        let Some(plugin) = self.plugins.get_mut(number) else { return };
        if plugin.parked.is_empty() {
            return;
        }
        let room = if plugin.taken == 0 { u32::MAX } else { share.saturating_sub(plugin.taken) };
        let back = plugin.parked.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        for queue in plugin.parked.drain(..back).collect::<Vec<_>>() {
            if let Some(q) = self.queues.get_mut(queue) {
                q.parked = false;
            }
            self.update_ready(queue);
        }
    }
}

/// An equal part, and one at least.
fn part_of(whole: u32, parts: usize) -> u32 {
    (whole / u32::try_from(parts).unwrap_or(u32::MAX).max(1)).max(1)
}
