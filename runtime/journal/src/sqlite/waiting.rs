//! What waits to be written, and whose turn it is.
//!
//! Lines come first, in their order: what owners say, and what the runtime has decided. Outcomes follow, tenant by tenant: each
//! tenant has a *virtual time*, the bytes of it that were written, and the one with the least is next. So a tenant whose plugins
//! write a lot waits for itself. Outcomes of one tenant stay in their order, and so does what is written to its key-value spaces.
//! A line that was said before an outcome is never written after it; the other way round nothing depends on it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::command::{Command, Line, Outcomes};
use crate::{JournalError, Reply};

/// Tenants that have nothing waiting and are remembered, beside those that have: their time may be ahead of the others'.
const MAX_IDLE_TENANTS: usize = 64;

#[derive(Default)]
pub(super) struct Waiting {
    lines: VecDeque<(u64, Line)>,
    tenants: HashMap<Arc<str>, Tenant>,
    /// Tenants with outcomes that wait, by virtual time.
    turns: BTreeSet<(u64, Arc<str>)>,
    /// The time of whoever was served last: one that comes back after a pause has saved up nothing.
    floor: u64,
    flushes: VecDeque<(u64, Reply<()>)>,
    /// Counts what has come.
    number: u64,
    /// Bytes of outcomes that wait.
    bytes: u64,
    /// The first of the outcomes did not fit beside the lines of the last group: now it is its turn.
    passed_over: bool,
}

#[derive(Default)]
struct Tenant {
    time: u64,
    outcomes: VecDeque<(u64, Outcomes)>,
}

/// A tenant whose turn it is: its time, and what the first of its outcomes counts for.
struct Turn {
    time: u64,
    name: Arc<str>,
    cost: u64,
}

/// What is written in one transaction.
#[derive(Default)]
pub(super) struct Group {
    pub(super) lines: Vec<(u64, Line)>,
    pub(super) outcomes: Vec<(u64, Outcomes)>,
}

impl Group {
    pub(super) fn cost(&self) -> u64 {
        let lines: u64 = self.lines.iter().map(|(_, line)| line.cost()).sum();
        lines + self.outcomes.iter().map(|(_, outcomes)| outcomes.cost()).sum::<u64>()
    }
}

impl Waiting {
    pub(super) fn push(&mut self, command: Command) {
        self.number += 1;
        let number = self.number;
        match command {
            Command::Line(line) => self.lines.push_back((number, line)),
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

    /// Nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.turns.is_empty() && self.flushes.is_empty()
    }

    /// Only outcomes wait: nobody has asked for anything.
    pub(super) fn has_outcomes_only(&self) -> bool {
        self.lines.is_empty() && self.flushes.is_empty() && !self.turns.is_empty()
    }

    pub(super) fn has_outcomes(&self) -> bool {
        !self.turns.is_empty()
    }

    /// What the outcomes that wait count for.
    pub(super) fn outcome_bytes(&self) -> u64 {
        self.bytes
    }

    /// What is written next: about `bytes`, and half as much again where many lines wait, so that outcomes get on as well. What is
    /// larger than a group is a group by itself. With `apart`, lines are not in one group with outcomes: those may be what the
    /// disk has no room for.
    pub(super) fn next_group(&mut self, bytes: u64, apart: bool) -> Group {
        let mut group = Group::default();
        if std::mem::take(&mut self.passed_over) {
            self.add_outcomes(&mut group, bytes);
        }
        if !group.outcomes.is_empty() {
            return group;
        }
        let mut used = 0u64;
        while let Some((_, line)) = self.lines.front()
            && (used == 0 || used.saturating_add(line.cost()) <= bytes)
        {
            used = used.saturating_add(line.cost());
            group.lines.extend(self.lines.pop_front());
        }
        if group.lines.is_empty() {
            self.add_outcomes(&mut group, bytes);
        } else if apart {
            self.passed_over = true;
        } else {
            self.add_outcomes(&mut group, bytes.saturating_sub(used).max(bytes / 2));
        }
        group
    }

    /// The next ones in turn that fit into `room`. One alone fits always.
    fn add_outcomes(&mut self, group: &mut Group, room: u64) {
        let mut used = 0u64;
        while let Some(turn) = self.next_turn() {
            let fits = used.saturating_add(turn.cost) <= room;
            if !(fits || group.lines.is_empty() && group.outcomes.is_empty()) {
                self.passed_over = group.outcomes.is_empty();
                return;
            }
            used = used.saturating_add(turn.cost);
            group.outcomes.extend(self.take(turn));
        }
    }

    /// Whose turn it is, of those that no line is before.
    fn next_turn(&self) -> Option<Turn> {
        let before = self.lines.front().map_or(u64::MAX, |(number, _)| *number);
        self.turns.iter().find_map(|(time, name)| {
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
        } else if self.tenants.len() > self.turns.len() + MAX_IDLE_TENANTS {
            // Whose time is not ahead of the others' is as good as new.
            let floor = self.floor;
            self.tenants.retain(|_, tenant| !tenant.outcomes.is_empty() || tenant.time > floor);
        }
        Some(first)
    }

    /// A group could not be written. What has to be kept goes back to where it was; owners and those who wait for a flush are
    /// told, and gives how many lines were refused.
    pub(super) fn put_back(&mut self, group: Group, error: &JournalError) -> usize {
        for (number, outcomes) in group.outcomes.into_iter().rev() {
            let (name, cost) = (outcomes.tenant.clone(), outcomes.cost());
            let tenant = self.tenants.entry(name.clone()).or_default();
            if !tenant.outcomes.is_empty() {
                self.turns.remove(&(tenant.time, name.clone()));
            }
            tenant.time = tenant.time.saturating_sub(cost);
            tenant.outcomes.push_front((number, outcomes));
            self.turns.insert((tenant.time, name));
            self.bytes = self.bytes.saturating_add(cost);
        }
        for line in group.lines.into_iter().rev() {
            self.lines.push_front(line);
        }
        let mut refused = 0;
        for (number, line) in std::mem::take(&mut self.lines) {
            match line {
                Line::Write(_, reply) => {
                    refused += 1;
                    reply.send(Err(error.clone()));
                }
                record @ Line::Record(..) => self.lines.push_back((number, record)),
            }
        }
        self.refuse_flushes(error);
        refused
    }

    /// Answers those who have waited for what is written now.
    pub(super) fn answer_flushes(&mut self) {
        if self.flushes.is_empty() {
            return;
        }
        let fronts = self.turns.iter().filter_map(|(_, name)| self.tenants.get(name)?.outcomes.front());
        let oldest = fronts.map(|(number, _)| *number).chain(self.lines.front().map(|(number, _)| *number)).min();
        while let Some((number, _)) = self.flushes.front()
            && oldest.is_none_or(|oldest| *number < oldest)
        {
            if let Some((_, reply)) = self.flushes.pop_front() {
                reply.send(Ok(()));
            }
        }
    }

    /// What was written before cannot be relied on.
    pub(super) fn refuse_flushes(&mut self, error: &JournalError) {
        self.flushes.drain(..).for_each(|(_, reply)| reply.send(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests;
