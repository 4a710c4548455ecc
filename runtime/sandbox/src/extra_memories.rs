//! The linear memories that calls take beyond the one of their slot: the number of a pool, and the share of one plugin's calls.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::limits::{EXTRA_MEMORIES_PART, MAX_MEMORIES};

/// Linear memories of a pool beyond the one of each slot: a quarter more. A small pool has as many as one component may need, or as many
/// as it has slots if those are fewer. So no pool has more than two for each slot.
pub(crate) fn extra_memories(slots: u32) -> u32 {
    (slots / EXTRA_MEMORIES_PART).max(slots.min(MAX_MEMORIES - 1))
}

/// The most linear memories of one call in such a pool: [`MAX_MEMORIES`], except in the smallest pools.
pub(crate) fn max_memories(slots: u32) -> u32 {
    extra_memories(slots).saturating_add(1).min(MAX_MEMORIES)
}

/// The linear memories that each call of one plugin takes beyond the first.
pub(crate) struct ExtraMemories {
    pub(crate) of_each_call: u32,
    /// The memories of its calls together: half of the pool's, so that a plugin that hangs leaves the other half.
    pub(crate) share: Arc<Semaphore>,
}

impl ExtraMemories {
    /// The memories for a plugin with `memories` linear memories, in a pool of `slots`.
    pub(crate) fn new(memories: u32, slots: u32) -> Self {
        let of_each_call = memories.saturating_sub(1);
        let share = (extra_memories(slots) / 2).max(of_each_call);
        Self { of_each_call, share: Arc::new(Semaphore::new(share as usize)) }
    }

    /// Whether its calls need only a slot.
    pub(crate) fn is_none(&self) -> bool {
        self.of_each_call == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_more_memories_than_slots_and_enough_for_one_component_where_there_is_room() {
        for (slots, extra, of_one_call) in
            [(1, 1, 2), (2, 2, 3), (7, 7, 8), (8, 7, 8), (16, 7, 8), (32, 8, 8), (256, 64, 8)]
        {
            assert_eq!((extra_memories(slots), max_memories(slots)), (extra, of_one_call), "{slots} slots");
        }
    }
}
