//! Releases a journal: gives back its file, its threads and its lock, whatever code still holds the value.

use std::sync::Arc;

use lastword_journal::state::Store;
use lastword_journal::{JournalError, Pending, Reply};
use parking_lot::Mutex;

use crate::ownership::lock::Lock;
use crate::readers::Readers;

/// Whether the journal is released, and the callers that wait for that.
#[derive(Debug, Default)]
pub(crate) struct Release(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    NotAsked,
    UnderWay(Vec<Reply<()>>),
    Over(Result<(), JournalError>),
}

impl Release {
    /// Whether a caller has asked for it.
    pub(crate) fn is_asked(&self) -> bool {
        !matches!(*self.0.lock(), State::NotAsked)
    }

    /// Answers when the release is over. True for the first caller, which has to begin the release.
    pub(crate) fn join(&self) -> (Pending<()>, bool) {
        let mut state = self.0.lock();
        match &mut *state {
            State::Over(answer) => (Pending::ready(answer.clone()), false),
            State::UnderWay(waiting) => {
                let (reply, pending) = Pending::later();
                waiting.push(reply);
                (pending, false)
            }
            State::NotAsked => {
                let (reply, pending) = Pending::later();
                *state = State::UnderWay(vec![reply]);
                (pending, true)
            }
        }
    }

    fn over(&self, answer: &Result<(), JournalError>) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Over(answer.clone()));
        if let State::UnderWay(waiting) = before {
            waiting.into_iter().for_each(|reply| reply.send(answer.clone()));
        }
    }
}

/// Gives back, when it is dropped, all that another program needs to open the journal. It is dropped once the connection that writes is
/// closed, whatever closes it.
#[derive(Debug)]
pub(crate) struct ReleaseGuard {
    store: Arc<Store<Readers>>,
    lock: Option<Lock>,
    release: Arc<Release>,
    answer: Result<(), JournalError>,
}

impl ReleaseGuard {
    pub(crate) fn new(store: Arc<Store<Readers>>, lock: Option<Lock>, release: Arc<Release>) -> Self {
        Self { store, lock, release, answer: Err(JournalError::Closed) }
    }

    /// Closes the connections that read. They close before the one that writes, which as the last one moves the log into the database.
    pub(crate) fn close_readers(&self) {
        self.store.committed().close();
    }

    /// Ends the release, after the connection that writes is closed. `written`: whether every write was committed before.
    pub(crate) fn finish(mut self, written: Result<(), JournalError>) {
        self.answer = written;
    }
}

impl Drop for ReleaseGuard {
    fn drop(&mut self) {
        self.close_readers();
        // Dropped after every connection: see `OpenFile`.
        drop(self.lock.take());
        self.release.over(&self.answer);
    }
}
