//! Queues the writes, and decides their order.
//!
//! Appends come first, in their order: requests of owners' lines, and decisions of the runtime. Outcomes follow, tenant by tenant. Each
//! tenant has a *virtual time*, its bytes that were written, and the tenant with the least is next. So a tenant whose plugins write a lot
//! waits for itself. Outcomes of one tenant stay in their order, and so do the writes to its key-value spaces. An append that came before
//! an outcome is never written after it. The other way round nothing depends on the order.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lastword_journal::{Commit, JournalError, Reply};

use crate::command::{Append, Command, Outcomes};

/// Idle tenants are pruned only from this many on.
const MIN_TENANTS_TO_PRUNE: usize = 128;

/// All writes that are not committed.
#[derive(Default)]
pub(super) struct WriteQueue {
    /// Appends, with the number of each.
    appends: VecDeque<(u64, Append)>,
    tenants: HashMap<Arc<str>, Tenant>,
    /// The number of tenants that remained at the last pruning. The next one comes at twice as many.
    pruned: usize,
    /// Tenants with outcomes that wait, by virtual time.
    turns: BTreeSet<(u64, Arc<str>)>,
    /// The virtual time of the tenant that was served last. A tenant that comes back after a pause starts from it, and has saved up
    /// nothing.
    floor: u64,
    flushes: VecDeque<(u64, Reply<()>)>,
    /// The number of the newest write.
    number: u64,
    /// Bytes of waiting outcomes.
    bytes: u64,
    /// The first of the outcomes did not fit beside the lines of the last group, so it goes next.
    outcomes_next: bool,
    /// The highest number of a write that was requeued, because it could not be written.
    requeued: u64,
    /// Tenants whose outcomes could not be written alone. All others have a turn before these have another.
    deferred: HashSet<Arc<str>>,
}

/// The contents that a group may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupContents {
    /// Lines, and outcomes beside them.
    Mixed,
    /// Lines, or outcomes of a few tenants, because one tenant may have outcomes that the disk has no room for. Separate, so that one
    /// write that does not fit on the disk does not fail the others.
    Separate {
        /// The number of tenants. With 0 the group has no outcome.
        tenants: usize,
    },
}

/// The waiting outcomes of one tenant, and its virtual time.
#[derive(Default)]
struct Tenant {
    time: u64,
    outcomes: VecDeque<(u64, Outcomes)>,
}

/// The tenant that is next: its time, and the cost of the first of its outcomes.
struct Turn {
    time: u64,
    name: Arc<str>,
    cost: u64,
}

/// The writes of one transaction.
#[derive(Default)]
pub(super) struct Group {
    pub(super) appends: Vec<(u64, Append)>,
    pub(super) outcomes: Vec<(u64, Outcomes)>,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.outcomes.is_empty()
    }

    pub(super) fn cost(&self) -> u64 {
        let appends: u64 = self.appends.iter().map(|(_, append)| append.cost()).sum();
        appends + self.outcomes.iter().map(|(_, outcomes)| outcomes.cost()).sum::<u64>()
    }

    /// The group as an observer is told of it.
    pub(super) fn as_commit(&self, duration: Duration) -> Commit<'static> {
        let operations = self.appends.iter().map(|(_, append)| append.operations()).sum();
        let completions = self.outcomes.iter().map(|(_, outcomes)| outcomes.completions.len()).sum();
        Commit::new(operations, completions, self.cost(), duration)
    }
}

impl WriteQueue {
    pub(super) fn push(&mut self, command: Command) {
        self.number += 1;
        let number = self.number;
        match command {
            Command::Append(append) => self.appends.push_back((number, append)),
            Command::Flush(reply) => self.flushes.push_back((number, reply)),
            Command::Outcomes(outcomes) => {
                let name = outcomes.tenant.clone();
                self.bytes = self.bytes.saturating_add(outcomes.cost());
                let tenant = self.tenants.entry(name.clone()).or_default();
                if tenant.outcomes.is_empty() {
                    tenant.time = tenant.time.max(self.floor);
                    self.turns.insert((tenant.time, name));
                }
                tenant.outcomes.push_back((number, outcomes));
            }
        }
    }

    /// Whether no write waits.
    pub(super) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.turns.is_empty() && self.flushes.is_empty()
    }

    /// Whether only outcomes wait, so no caller waits for an answer.
    pub(super) fn has_outcomes_only(&self) -> bool {
        self.appends.is_empty() && self.flushes.is_empty() && !self.turns.is_empty()
    }

    pub(super) fn has_appends(&self) -> bool {
        !self.appends.is_empty()
    }

    /// Whether a write that failed still waits.
    pub(super) fn has_requeued(&self) -> bool {
        self.oldest().is_some_and(|oldest| oldest <= self.requeued)
    }

    /// The cost of the waiting outcomes.
    pub(super) fn outcome_bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next group: about `bytes`, and half as much again where many lines wait, so that outcomes get on as well. An item larger
    /// than a group is a group alone. Lines wait for at most one group of outcomes between two groups of lines.
    pub(super) fn next_group(&mut self, bytes: u64, contents: GroupContents) -> Group {
        let mut group = Group::default();
        let tenants = match contents {
            GroupContents::Mixed => usize::MAX,
            GroupContents::Separate { tenants } => tenants,
        };
        if tenants > 0 && std::mem::take(&mut self.outcomes_next) {
            self.add_outcomes(&mut group, bytes, tenants);
        }
        if !group.outcomes.is_empty() {
            return group;
        }
        let mut used = 0u64;
        while let Some((_, append)) = self.appends.front()
            && (used == 0 || used.saturating_add(append.cost()) <= bytes)
        {
            used = used.saturating_add(append.cost());
            group.appends.extend(self.appends.pop_front());
        }
        if group.appends.is_empty() {
            self.add_outcomes(&mut group, bytes, tenants);
        } else if contents == GroupContents::Mixed {
            self.add_outcomes(&mut group, bytes.saturating_sub(used).max(bytes / 2), tenants);
        } else {
            self.outcomes_next = true;
        }
        group
    }

    /// The next outcomes of one tenant, and no line.
    pub(super) fn next_outcomes(&mut self, bytes: u64) -> Group {
        let mut group = Group::default();
        self.add_outcomes(&mut group, bytes, 1);
        group
    }

    /// Adds the next outcomes in order that fit into `room`, of at most `tenants` tenants. A single one always fits.
    fn add_outcomes(&mut self, group: &mut Group, room: u64, tenants: usize) {
        let mut used = 0u64;
        let mut names: HashSet<Arc<str>> = HashSet::new();
        if !self.deferred.is_empty() {
            // Reached when all others have had their turn.
            self.defer_to_others();
        }
        while let Some(turn) = self.next_turn() {
            if tenants != usize::MAX {
                if names.len() >= tenants && !names.contains(&turn.name) {
                    return;
                }
                names.insert(turn.name.clone());
            }
            let fits = used.saturating_add(turn.cost) <= room;
            if !(fits || group.appends.is_empty() && group.outcomes.is_empty()) {
                self.outcomes_next = group.outcomes.is_empty();
                return;
            }
            used = used.saturating_add(turn.cost);
            group.outcomes.extend(self.take(turn));
        }
    }

    /// The tenant that is next, among those with no line before their outcomes.
    fn next_turn(&self) -> Option<Turn> {
        let before = self.appends.front().map_or(u64::MAX, |(number, _)| *number);
        let mut turns = self.turns.iter().filter(|(_, name)| self.deferred.is_empty() || !self.deferred.contains(name));
        turns.find_map(|(time, name)| {
            let (number, first) = self.tenants.get(name)?.outcomes.front()?;
            (*number < before).then(|| Turn { time: *time, name: name.clone(), cost: first.cost() })
        })
    }

    fn take(&mut self, Turn { time, name, cost }: Turn) -> Option<(u64, Outcomes)> {
        self.turns.remove(&(time, name.clone()));
        let tenant = self.tenants.get_mut(&name)?;
        let first = tenant.outcomes.pop_front()?;
        self.floor = self.floor.max(time);
        self.bytes = self.bytes.saturating_sub(cost);
        tenant.time = time.saturating_add(cost);
        if !tenant.outcomes.is_empty() {
            self.turns.insert((tenant.time, name));
        } else if self.turns.is_empty() && self.tenants.len() >= MIN_TENANTS_TO_PRUNE {
            // No write waits, so the order of the tenants matters little.
            self.tenants = HashMap::new();
            self.pruned = 0;
        } else if self.tenants.len() >= MIN_TENANTS_TO_PRUNE.max(self.pruned.saturating_mul(2)) {
            // A tenant at or below the floor would be re-created with the same time.
            let floor = self.floor;
            self.tenants.retain(|_, tenant| !tenant.outcomes.is_empty() || tenant.time > floor);
            self.pruned = self.tenants.len();
        }
        Some(first)
    }

    /// Takes back a failed group. Decisions and outcomes go back to their places, and flushes are refused. If the group had appends, all
    /// waiting requests and probes are refused too; failed outcomes say nothing about them. Gives the number of refused requests.
    pub(super) fn requeue(&mut self, group: Group, error: &JournalError) -> usize {
        self.outcomes_next = false;
        let tried_appends = !group.appends.is_empty();
        let numbers = group.appends.iter().map(|(number, _)| *number);
        let numbers = numbers.chain(group.outcomes.iter().map(|(number, _)| *number));
        self.requeued = numbers.fold(self.requeued, u64::max);
        if let Some((_, first)) = group.outcomes.first().filter(|_| !tried_appends)
            && group.outcomes.iter().all(|(_, outcomes)| outcomes.tenant == first.tenant)
        {
            self.deferred.insert(first.tenant.clone());
        }
        for (number, outcomes) in group.outcomes.into_iter().rev() {
            let (name, cost) = (outcomes.tenant.clone(), outcomes.cost());
            // A tenant that was pruned meanwhile was not ahead of the others.
            let forgotten = Tenant { time: self.floor.saturating_add(cost), ..Tenant::default() };
            let tenant = self.tenants.entry(name.clone()).or_insert(forgotten);
            if !tenant.outcomes.is_empty() {
                self.turns.remove(&(tenant.time, name.clone()));
            }
            tenant.time = tenant.time.saturating_sub(cost);
            tenant.outcomes.push_front((number, outcomes));
            self.turns.insert((tenant.time, name));
            self.bytes = self.bytes.saturating_add(cost);
        }
        for append in group.appends.into_iter().rev() {
            self.appends.push_front(append);
        }
        let mut refused = 0;
        let appends = if tried_appends { std::mem::take(&mut self.appends) } else { VecDeque::new() };
        for (number, append) in appends {
            match append {
                Append::Requested(_, reply) => {
                    refused += 1;
                    reply.send(Err(error.clone()));
                }
                Append::Probe(reply) => {
                    refused += 1;
                    reply.send(Err(error.clone()));
                }
                decided @ (Append::Decided(..) | Append::Changes(..)) => self.appends.push_back((number, decided)),
            }
        }
        self.refuse_flushes(error);
        refused
    }

    /// Whether another tenant has a turn before those whose outcomes could not be written alone. If there is none, all of them have
    /// another try.
    pub(super) fn defer_to_others(&mut self) -> bool {
        let others = self.next_turn().is_some();
        if !others {
            self.deferred.clear();
        }
        others
    }

    /// At the end: stops trying this tenant's outcomes, because the first could not be written. They stay in their order, or are not on
    /// record.
    pub(super) fn give_up(&mut self, group: &Group) {
        for (_, outcomes) in &group.outcomes {
            let Some(tenant) = self.tenants.remove(&outcomes.tenant) else { continue };
            self.turns.remove(&(tenant.time, outcomes.tenant.clone()));
        }
    }

    /// The number of the write that has waited longest.
    fn oldest(&self) -> Option<u64> {
        let fronts = self.turns.iter().filter_map(|(_, name)| self.tenants.get(name)?.outcomes.front());
        fronts.map(|(number, _)| *number).chain(self.appends.front().map(|(number, _)| *number)).min()
    }

    /// Answers flushes whose writes are committed now.
    pub(super) fn answer_flushes(&mut self) {
        if self.flushes.is_empty() {
            return;
        }
        let oldest = self.oldest();
        while let Some((number, _)) = self.flushes.front()
            && oldest.is_none_or(|oldest| *number < oldest)
        {
            if let Some((_, reply)) = self.flushes.pop_front() {
                reply.send(Ok(()));
            }
        }
    }

    /// Refuses flushes, because earlier writes cannot be relied on.
    pub(super) fn refuse_flushes(&mut self, error: &JournalError) {
        self.flushes.drain(..).for_each(|(_, reply)| reply.send(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests;
