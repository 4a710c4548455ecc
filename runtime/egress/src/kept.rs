//! Connections that are kept for the next request of the same plugin, tenant and destination.
//!
//! An idle connection holds no turn, so no request waits for it, but it is an open file. Idle connections and held
//! turns together never exceed the number of turns: a new connection, and a newly kept one, closes the longest idle
//! ones until that holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{
    idle::{Idle, IdleBounds, KeptFor},
    limits::{IDLE_CONNECTION_STAYS, MAX_IDLE_CONNECTIONS, MAX_IDLE_CONNECTIONS_OF_ACCOUNT},
    timeouts::after,
    turns::{Turn, Turns},
};

/// The bounds of kept connections.
pub(crate) const BOUNDS: IdleBounds =
    IdleBounds { of_account: MAX_IDLE_CONNECTIONS_OF_ACCOUNT, in_all: MAX_IDLE_CONNECTIONS };

/// The idle connections of all requests.
pub(crate) struct Kept<T> {
    connections: Arc<Turns>,
    state: Mutex<State<T>>,
}

struct State<T> {
    idle: Idle<T>,
    /// The task that closes expired connections. `None` while no connection is idle.
    sweeper: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Kept<T> {
    /// `connections` are the turns of all connections.
    pub(crate) fn new(connections: Arc<Turns>, bounds: IdleBounds) -> Self {
        Self { connections, state: Mutex::new(State { idle: Idle::new(bounds), sweeper: None }) }
    }

    /// Takes a connection for a request that holds its turn.
    pub(crate) fn take(&self, kept_for: &KeptFor, fits: impl Fn(&T) -> bool) -> Option<T> {
        self.lock().idle.take(kept_for, Instant::now(), fits)
    }

    /// Keeps a connection whose exchange is complete, and returns its turn.
    pub(crate) fn put(self: &Arc<Self>, kept_for: Arc<KeptFor>, connection: T, turn: Turn) {
        let until = after(Instant::now(), IDLE_CONNECTION_STAYS);
        let mut state = self.lock();
        let closed = state.idle.put(kept_for, connection, until);
        if state.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            state.sweeper = Some(tokio::spawn(sweep(Arc::downgrade(self))));
        }
        drop(state);
        drop(closed);
        drop(turn);
        self.make_room();
    }

    /// Closes idle connections until they fit beside the held turns. Call it with the turn for one more.
    pub(crate) fn make_room(&self) {
        let free = self.connections.free();
        let closed = self.lock().idle.shrink_to(free);
        drop(closed);
    }

    /// Closes all idle connections.
    pub(crate) fn close(&self) {
        let closed = self.lock().idle.shrink_to(0);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes expired connections. Returns the time of the next check. `None`: no connection is left.
    fn sweep(&self) -> Option<Instant> {
        let mut state = self.lock();
        let closed = state.idle.expired(Instant::now());
        let next = state.idle.next_end();
        if next.is_none() {
            // With the lock held, so that the next `put` starts another task.
            state.sweeper = None;
        }
        drop(state);
        drop(closed);
        next
    }
}

/// Runs until no connection is idle, so that an idle process does nothing.
async fn sweep<T: Send + 'static>(kept: Weak<Kept<T>>) {
    while let Some(next) = kept.upgrade().and_then(|kept| kept.sweep()) {
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests;
