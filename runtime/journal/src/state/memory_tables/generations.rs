//! The generations of session ids.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lastword_events::Identity;

use super::rows::Row;
use crate::RETAINED_ENDED_SESSIONS;
use crate::state::ForgottenGenerations;

/// The newest generation of each id, over all scopes. An id is forgotten when it has ended and there are too many.
#[derive(Clone, Debug, Default)]
pub(super) struct Generations {
    latest: HashMap<Identity, Latest>,
    /// Ids in the order in which they ended, to forget the oldest.
    ended: VecDeque<(Identity, u64)>,
    forgotten: ForgottenGenerations,
}

#[derive(Clone, Debug)]
struct Latest {
    sequence: u64,
    generation: u32,
    has_ended: bool,
}

impl Generations {
    pub(super) fn latest(&self, identity: &Identity) -> Option<u32> {
        self.latest.get(&*identity.unscoped()).map(|latest| latest.generation)
    }

    pub(super) fn forgotten(&self) -> &ForgottenGenerations {
        &self.forgotten
    }

    pub(super) fn begins(&mut self, identity: &Identity, sequence: u64, generation: u32) {
        self.latest.insert(identity.unscoped().into_owned(), Latest { sequence, generation, has_ended: false });
    }

    pub(super) fn ends(&mut self, identity: &Identity, sequence: u64) {
        let id = identity.unscoped();
        // A session of another scope may be newer.
        let Some(latest) = self.latest.get_mut(&*id).filter(|latest| latest.sequence == sequence) else { return };
        latest.has_ended = true;
        self.ended.push_back((id.into_owned(), sequence));
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

    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> + Send {
        let (forgotten, others) = self.forgotten.into_counts();
        let latest = self.latest.into_iter().map(|(id, Latest { sequence, generation, has_ended })| Row::Generation {
            id,
            sequence,
            generation,
            has_ended,
        });
        let ended = self.ended.into_iter().map(|(id, sequence)| Row::EndedId { id, sequence });
        let forgotten = forgotten.into_iter().map(|(tenant, generation)| (Some(tenant), generation));
        let forgotten = forgotten.chain((others > 0).then_some((None, others)));
        latest.chain(ended).chain(forgotten.map(|(tenant, generation)| Row::Forgotten { tenant, generation }))
    }

    pub(super) fn restore_latest(&mut self, id: Identity, sequence: u64, generation: u32, has_ended: bool) {
        self.latest.insert(id, Latest { sequence, generation, has_ended });
    }

    pub(super) fn restore_ended(&mut self, id: Identity, sequence: u64) {
        self.ended.push_back((id, sequence));
    }

    /// Without a tenant it is the count that other tenants share.
    pub(super) fn restore_forgotten(&mut self, tenant: Option<Arc<str>>, generation: u32) {
        let (mut by_tenant, mut others) = std::mem::take(&mut self.forgotten).into_counts();
        match tenant {
            Some(tenant) => drop(by_tenant.insert(tenant, generation)),
            None => others = generation,
        }
        self.forgotten = ForgottenGenerations::new(by_tenant, others);
    }
}
