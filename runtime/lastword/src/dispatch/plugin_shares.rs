//! How many slots a plugin may hold, over all tenants. Otherwise a plugin that hangs for everybody would hold a slot in each of a thousand
//! queues, and leave none to the others.
//!
//! When a plugin holds all the slots that it may, a worker that comes by one of its queues *parks* the queue. So looking for work costs
//! once for each of them, and not at every look. Parked queues come back as calls of the plugin end.

use std::collections::VecDeque;

use super::ids::QueueId;
use super::slots::{Slots, part_of};
use crate::installed::PluginNumber;

/// The queues of each plugin that want slots.
#[derive(Debug, Default)]
pub(super) struct PluginShares {
    /// By number.
    shares: Vec<Share>,
}

#[derive(Debug, Default)]
struct Share {
    /// Whether a plugin has the number.
    is_taken: bool,
    /// How many queues have deliveries that may begin, parked or not.
    wanting: usize,
    parked: VecDeque<QueueId>,
}

impl PluginShares {
    pub(super) fn new(plugins: usize) -> Self {
        let share = || Share { is_taken: true, ..Share::default() };
        Self { shares: std::iter::repeat_with(share).take(plugins).collect() }
    }

    /// The numbers of plugins are below this.
    pub(super) fn len(&self) -> usize {
        self.shares.len()
    }

    /// Adds the share of a plugin that has this number from now on.
    pub(super) fn add(&mut self, plugin: PluginNumber) {
        if self.shares.len() <= plugin {
            self.shares.resize_with(plugin + 1, Share::default);
        }
        if let Some(share) = self.shares.get_mut(plugin) {
            *share = Share { is_taken: true, ..Share::default() };
        }
    }

    /// Removes the share of a plugin of which nothing is left.
    pub(super) fn remove(&mut self, plugin: PluginNumber) {
        if let Some(share) = self.shares.get_mut(plugin) {
            *share = Share::default();
        }
    }

    /// Notes that a queue of the plugin wants slots now and did not before, or the other way round.
    pub(super) fn change_wanting(&mut self, plugin: PluginNumber, before: bool, now: bool) {
        if let Some(share) = self.shares.get_mut(plugin) {
            share.wanting = share.wanting + usize::from(now) - usize::from(before);
        }
    }

    /// How many queues of the plugin want slots.
    pub(super) fn wanting(&self, plugin: PluginNumber) -> usize {
        self.shares.get(plugin).map_or(0, |share| share.wanting)
    }

    /// How many slots one plugin may hold: an equal part where several plugins want some, and half at most. A plugin that is alone may hold
    /// them all.
    pub(super) fn share(&self, slots: &Slots) -> u32 {
        if self.shares.iter().filter(|share| share.is_taken).take(2).count() <= 1 {
            return slots.total();
        }
        let active = |&(plugin, share): &(usize, &Share)| share.wanting > 0 || slots.of_plugin(plugin) > 0;
        part_of(slots.total(), self.shares.iter().enumerate().filter(active).count().max(2))
    }

    /// Parks a queue, whose plugin holds all the slots that it may.
    pub(super) fn park(&mut self, plugin: PluginNumber, queue: QueueId) {
        if let Some(share) = self.shares.get_mut(plugin) {
            share.parked.push_back(queue);
        }
    }

    /// Takes all parked queues of a plugin of which nothing begins for another reason.
    pub(super) fn unpark_all(&mut self, plugin: PluginNumber) -> VecDeque<QueueId> {
        self.shares.get_mut(plugin).map(|share| std::mem::take(&mut share.parked)).unwrap_or_default()
    }

    /// A plugin with parked queues that holds fewer slots than its `share`.
    pub(super) fn with_room(&self, slots: &Slots, share: u32) -> Option<PluginNumber> {
        let has_room = |(plugin, one): (usize, &Share)| !one.parked.is_empty() && slots.of_plugin(plugin) < share;
        self.shares.iter().enumerate().position(has_room)
    }

    /// Takes as many parked queues of a plugin, some of whose calls have ended, as the plugin may take slots. Takes all of them when the
    /// plugin holds no slot, because no call would end that could bring them back.
    pub(super) fn unpark(&mut self, plugin: PluginNumber, slots: &Slots, share: u32) -> Vec<QueueId> {
        let Some(one) = self.shares.get_mut(plugin) else { return Vec::new() };
        let taken = slots.of_plugin(plugin);
        let room = if taken == 0 { u32::MAX } else { share.saturating_sub(taken) };
        let back = one.parked.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        one.parked.drain(..back).collect()
    }
}

#[cfg(shuttle)]
impl PluginShares {
    pub(super) fn all_wanting(&self) -> usize {
        self.shares.iter().map(|share| share.wanting).sum()
    }

    pub(super) fn all_parked(&self) -> usize {
        self.shares.iter().map(|share| share.parked.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::Holder;
    use super::*;

    #[test]
    fn a_plugin_has_its_equal_part_where_several_want_slots_and_half_at_most() {
        let mut slots = Slots::new(12, 1);
        assert_eq!(PluginShares::new(1).share(&slots), 12, "one that is alone");
        let mut shares = PluginShares::new(3);
        assert_eq!(shares.share(&slots), 6);
        (0..2).for_each(|plugin| shares.change_wanting(plugin, false, true));
        let _permit = slots.take(Holder { queue: 0, tenant: 0, plugin: 2 }, 0);
        assert_eq!(shares.share(&slots), 4, "two want some, and the third holds one");
        shares.change_wanting(0, true, false);
        assert_eq!((shares.share(&slots), shares.wanting(0), shares.wanting(1)), (6, 0, 1));
    }

    #[test]
    fn a_plugin_that_is_added_has_a_share_and_of_one_that_is_removed_nothing_is_left() {
        let slots = Slots::new(12, 1);
        let mut shares = PluginShares::new(1);
        shares.add(2);
        assert_eq!((shares.len(), shares.share(&slots)), (3, 6), "nobody has number 1");
        shares.change_wanting(2, false, true);
        shares.park(2, 7);
        shares.remove(2);
        assert_eq!((shares.wanting(2), shares.share(&slots), shares.with_room(&slots, 6)), (0, 12, None));
        shares.add(1);
        assert_eq!((shares.len(), shares.share(&slots)), (3, 6));
        assert!(shares.unpark_all(2).is_empty());
    }

    #[test]
    fn queues_that_are_parked_come_back_as_slots_do_and_all_of_them_when_nothing_is_under_way() {
        let mut slots = Slots::new(12, 1);
        let mut shares = PluginShares::new(2);
        (0..5).for_each(|queue| shares.park(0, queue));
        let permits: Vec<_> = (0..6).map(|_| slots.take(Holder { queue: 9, tenant: 0, plugin: 0 }, 0)).collect();
        assert_eq!((shares.with_room(&slots, 6), shares.unpark(0, &slots, 6)), (None, Vec::new()));
        let mut permits = permits.into_iter();
        permits.by_ref().take(2).for_each(|permit| slots.give_back(permit));
        assert_eq!((shares.with_room(&slots, 6), shares.unpark(0, &slots, 6)), (Some(0), vec![0, 1]));
        permits.for_each(|permit| slots.give_back(permit));
        assert_eq!(shares.unpark(0, &slots, 6), [2, 3, 4]);
        assert_eq!(shares.with_room(&slots, 6), None);
    }
}
