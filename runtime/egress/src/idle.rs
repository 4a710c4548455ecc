//! Idle connections, by account, and the choice of the one to close.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    sync::Arc,
};

use tokio::{runtime, time::Instant};

use crate::{account::Account, destination::Destination};

/// The only use for which a connection may be reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptFor {
    pub(crate) account: Account,
    pub(crate) destination: Destination,
    /// hyper gets this limit when a connection begins.
    pub(crate) max_response_header_bytes: usize,
    /// The tokio runtime that reports the socket's events, as long as it runs.
    pub(crate) runtime: runtime::Id,
}

/// The bounds of idle connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleBounds {
    pub(crate) of_account: usize,
    pub(crate) in_all: usize,
}

/// Idle connections. No method drops one, because closing takes time, and other threads would wait for the lock.
#[derive(Debug)]
pub(crate) struct Idle<T> {
    bounds: IdleBounds,
    /// By a rising number: the one that has been idle for longest is first.
    connections: BTreeMap<u64, Connection<T>>,
    uses: HashMap<Arc<KeptFor>, BTreeSet<u64>>,
    accounts: HashMap<Account, BTreeSet<u64>>,
    /// The number of the next connection.
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

    /// Adds a connection, which is kept until `until`. No earlier one is kept longer. Returns the connections to close
    /// for it.
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

    /// Takes the most recently used one of the matching connections.
    pub(crate) fn take(&mut self, kept_for: &KeptFor, now: Instant, fits: impl Fn(&T) -> bool) -> Option<T> {
        let fits = |number: &u64| {
            let connection = self.connections.get(number);
            connection.is_some_and(|connection| connection.until > now && fits(&connection.connection))
        };
        let number = self.uses.get(kept_for)?.iter().rev().copied().find(fits)?;
        self.remove(number)
    }

    /// Removes connections beyond this number, the longest idle first, and returns them.
    pub(crate) fn shrink_to(&mut self, most: usize) -> Vec<T> {
        let mut closed = Vec::new();
        while self.connections.len() > most
            && let Some(number) = self.oldest()
        {
            closed.extend(self.remove(number));
        }
        closed
    }

    /// Removes and returns the connections whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<T> {
        let mut closed = Vec::new();
        while self.next_end().is_some_and(|until| until <= now)
            && let Some(number) = self.oldest()
        {
            closed.extend(self.remove(number));
        }
        closed
    }

    /// Returns the time at which the next connection expires.
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

/// Drops the entry of a key without connections: there may be any number of tenants.
fn forget<K: Hash + Eq>(sets: &mut HashMap<K, BTreeSet<u64>>, key: &K, number: u64) {
    let Some(set) = sets.get_mut(key) else { return };
    set.remove(&number);
    if set.is_empty() {
        sets.remove(key);
    }
}

#[cfg(test)]
mod tests;
