//! The generations of session ids.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use lastword_events::Identity;

use crate::RETAINED_ENDED_SESSIONS;
use crate::state::ForgottenGenerations;

/// The newest generation of each id, over all scopes. An id is forgotten when it has ended and there are too many.
#[derive(Debug, Default)]
pub(super) struct Generations {
    latest: HashMap<Identity, Latest>,
    /// Ids in the order in which they ended, to forget the oldest.
    ended: VecDeque<(Identity, u64)>,
    forgotten: ForgottenGenerations,
}

#[derive(Debug)]
struct Latest {
    sequence: u64,
    generation: u32,
    has_ended: bool,
}

impl Generations {
    pub(super) fn latest(&self, identity: &Identity) -> Option<u32> {
        self.latest.get(&identity.unscoped()).map(|latest| latest.generation)
    }

    pub(super) fn forgotten(&self) -> &ForgottenGenerations {
        &self.forgotten
    }

    pub(super) fn begins(&mut self, identity: &Identity, sequence: u64, generation: u32) {
        self.latest.insert(identity.unscoped(), Latest { sequence, generation, has_ended: false });
    }

    pub(super) fn ends(&mut self, identity: &Identity, sequence: u64) {
        let id = identity.unscoped();
        // A session of another scope may be newer.
        let Some(latest) = self.latest.get_mut(&id).filter(|latest| latest.sequence == sequence) else { return };
        latest.has_ended = true;
        self.ended.push_back((id, sequence));
        if self.ended.len() > RETAINED_ENDED_SESSIONS
            && let Some((oldest, sequence)) = self.ended.pop_front()
            && let Entry::Occupied(latest) = self.latest.entry(oldest)
            && latest.get().sequence == sequence
            && latest.get().has_ended
        {
            let (id, latest) = latest.remove_entry();
            self.forgotten.forget(&id.tenant, latest.generation);
        }
    }
}
