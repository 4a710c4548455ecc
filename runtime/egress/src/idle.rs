//! Connections that nobody uses just now: whose they are, and which is closed for another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    sync::Arc,
};

use tokio::{runtime, time::Instant};

use crate::{account::Account, destination::Destination};

/// What a connection may be used for again: nothing else, by nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptFor {
    pub(crate) account: Account,
    pub(crate) destination: Destination,
    /// hyper is told when a connection begins.
    pub(crate) max_response_header_bytes: usize,
    /// Tells of the socket's events, and only while it runs itself.
    pub(crate) runtime: runtime::Id,
}

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleBounds {
    pub(crate) of_account: usize,
    pub(crate) in_all: usize,
}

/// Connections that are idle. Nothing is dropped in here: closing takes its time, and whoever has the lock would wait for it.
#[derive(Debug)]
pub(crate) struct Idle<T> {
    bounds: IdleBounds,
    /// By a number that rises: the one that has been idle for longest is first.
    connections: BTreeMap<u64, Connection<T>>,
    uses: HashMap<Arc<KeptFor>, BTreeSet<u64>>,
    accounts: HashMap<Account, BTreeSet<u64>>,
    /// The number of the next one.
    next: u64,
}

#[derive(Debug)]
struct Connection<T> {
    connection: T,
    kept_for: Arc<KeptFor>,
    until: Instant,
}

impl<T> Idle<T> {
    pub(crate) fn new(bounds: IdleBounds) -> Self {
        Self { bounds, connections: BTreeMap::new(), uses: HashMap::new(), accounts: HashMap::new(), next: 0 }
    }

    /// Keeps a connection until then. No other one is kept longer. Gives those that are to be closed for it.
    pub(crate) fn put(&mut self, kept_for: Arc<KeptFor>, connection: T, until: Instant) -> Vec<T> {
        let number = self.next;
        self.next += 1;
        let of_account = self.accounts.entry(kept_for.account.clone()).or_default();
        of_account.insert(number);
        let beyond = if of_account.len() > self.bounds.of_account { of_account.first().copied() } else { None };
        self.uses.entry(Arc::clone(&kept_for)).or_default().insert(number);
        self.connections.insert(number, Connection { connection, kept_for, until });
        let mut closed: Vec<T> = beyond.and_then(|number| self.remove(number)).into_iter().collect();
        closed.extend(self.shrink_to(self.bounds.in_all));
        closed
    }

    /// The one that was used last, of those that fit.
    pub(crate) fn take(&mut self, kept_for: &KeptFor, now: Instant, fits: impl Fn(&T) -> bool) -> Option<T> {
        let fits = |number: &u64| {
            let connection = self.connections.get(number);
            connection.is_some_and(|connection| connection.until > now && fits(&connection.connection))
        };
        let number = self.uses.get(kept_for)?.iter().rev().copied().find(fits)?;
        self.remove(number)
    }

    /// Gives those that are more than so many, the longest idle first.
    pub(crate) fn shrink_to(&mut self, most: usize) -> Vec<T> {
        let mut closed = Vec::new();
        while self.connections.len() > most
            && let Some(number) = self.oldest()
        {
            closed.extend(self.remove(number));
        }
        closed
    }

    /// Gives those whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<T> {
        let mut closed = Vec::new();
        while self.next_end().is_some_and(|until| until <= now)
            && let Some(number) = self.oldest()
        {
            closed.extend(self.remove(number));
        }
        closed
    }

    /// When the time of the next one is over.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.connections.first_key_value().map(|(_, connection)| connection.until)
    }

    fn oldest(&self) -> Option<u64> {
        self.connections.first_key_value().map(|(number, _)| *number)
    }

    fn remove(&mut self, number: u64) -> Option<T> {
        let Connection { connection, kept_for, .. } = self.connections.remove(&number)?;
        forget(&mut self.uses, &kept_for, number);
        forget(&mut self.accounts, &kept_for.account, number);
        Some(connection)
    }
}

/// Nothing is kept of who has none: there may be any number of tenants.
fn forget<K: Hash + Eq>(sets: &mut HashMap<K, BTreeSet<u64>>, key: &K, number: u64) {
    let Some(set) = sets.get_mut(key) else { return };
    set.remove(&number);
    if set.is_empty() {
        sets.remove(key);
    }
}

#[cfg(test)]
mod tests;
