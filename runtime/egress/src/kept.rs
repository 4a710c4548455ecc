//! Connections that are kept for the next request of the same plugin, tenant and destination.
//!
//! One that is idle holds no turn, so nobody waits for it; but it is a file that is open. Idle connections and turns that are held
//! are together never more than turns that there may be: a connection that is made, and one that is put here, has the longest idle
//! ones closed until that is so.

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

/// How many there may be.
pub(crate) const BOUNDS: IdleBounds =
    IdleBounds { of_account: MAX_IDLE_CONNECTIONS_OF_ACCOUNT, in_all: MAX_IDLE_CONNECTIONS };

/// The idle connections of all requests.
pub(crate) struct Kept<T> {
    connections: Arc<Turns>,
    state: Mutex<State<T>>,
}

struct State<T> {
    idle: Idle<T>,
    /// Closes those that were idle for too long. There is none while nothing is idle.
    sweeper: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Kept<T> {
    /// `connections` are the turns of all connections.
    pub(crate) fn new(connections: Arc<Turns>, bounds: IdleBounds) -> Self {
        Self { connections, state: Mutex::new(State { idle: Idle::new(bounds), sweeper: None }) }
    }

    /// A connection for a request that has its turn.
    pub(crate) fn take(&self, kept_for: &KeptFor, fits: impl Fn(&T) -> bool) -> Option<T> {
        self.lock().idle.take(kept_for, Instant::now(), fits)
    }

    /// Keeps a connection on which an exchange is over, and gives back its turn.
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

    /// Closes as many as there must not be beside the turns that are held. To be called with the turn for one more.
    pub(crate) fn make_room(&self) {
        let free = self.connections.free();
        let closed = self.lock().idle.shrink_to(free);
        drop(closed);
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        let closed = self.lock().idle.shrink_to(0);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes those whose time is over. Gives when to look again; never, when nothing is left.
    fn sweep(&self) -> Option<Instant> {
        let mut state = self.lock();
        let closed = state.idle.expired(Instant::now());
        let next = state.idle.next_end();
        if next.is_none() {
            // With the lock held: whoever puts the next one starts another.
            state.sweeper = None;
        }
        drop(state);
        drop(closed);
        next
    }
}

/// Goes when nothing is idle any more, so that an idle process does nothing.
async fn sweep<T: Send + 'static>(kept: Weak<Kept<T>>) {
    while let Some(next) = kept.upgrade().and_then(|kept| kept.sweep()) {
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests;
