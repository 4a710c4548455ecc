use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lastword::{Durability, Journal, JournalError, MemoryJournal};
use lastword_journal::{Completion, Pending, Recovered, Reply, Space, Write, Written};
use parking_lot::Mutex;

/// A journal on a disk that takes its time: it answers when it is told to, or not at all. What it is asked takes effect in
/// a [`MemoryJournal`] at the moment of the answer, as a commit would.
#[derive(Default)]
pub struct HeldJournal {
    memory: MemoryJournal,
    holding_writes: AtomicBool,
    holding_outcomes: AtomicBool,
    held: Mutex<Vec<Held>>,
}

enum Held {
    Write(Box<Write>, Reply<Written>),
    Complete(Vec<Completion>, Reply<()>),
}

impl HeldJournal {
    /// From now on answers wait for [`Self::commit`] or [`Self::fail`].
    pub fn hold(&self) {
        self.holding_writes.store(true, Ordering::SeqCst);
        self.hold_outcomes();
    }

    /// The same for outcomes alone.
    pub fn hold_outcomes(&self) {
        self.holding_outcomes.store(true, Ordering::SeqCst);
    }

    fn let_go(&self) -> Vec<Held> {
        self.holding_writes.store(false, Ordering::SeqCst);
        self.holding_outcomes.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.held.lock())
    }

    /// What waits for its answer.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.lock().len()
    }

    /// Commits what waits, in order, and holds nothing back any more.
    pub async fn commit(&self) {
        for one in self.let_go() {
            match one {
                Held::Write(write, reply) => reply.send(self.memory.write(*write).await),
                Held::Complete(completions, reply) => reply.send(self.memory.complete(completions).await),
            }
        }
    }

    /// Refuses what waits, and holds nothing back any more.
    pub fn fail(&self) {
        for one in self.let_go() {
            let error = || JournalError::Unavailable("the disk is full".to_owned());
            match one {
                Held::Write(_, reply) => reply.send(Err(error())),
                Held::Complete(_, reply) => reply.send(Err(error())),
            }
        }
    }
}

impl Journal for HeldJournal {
    fn name(&self) -> lastword::events::JournalName {
        self.memory.name()
    }

    fn durability(&self) -> Durability {
        self.memory.durability()
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.memory.recover()
    }

    fn write(&self, write: Write) -> Pending<Written> {
        if !self.holding_writes.load(Ordering::SeqCst) {
            return self.memory.write(write);
        }
        let (reply, pending) = Pending::later();
        self.held.lock().push(Held::Write(Box::new(write), reply));
        pending
    }

    fn complete(&self, completions: Vec<Completion>) -> Pending<()> {
        if !self.holding_outcomes.load(Ordering::SeqCst) {
            return self.memory.complete(completions);
        }
        let (reply, pending) = Pending::later();
        self.held.lock().push(Held::Complete(completions, reply));
        pending
    }

    fn flush(&self) -> Pending<()> {
        self.memory.flush()
    }

    fn key_value(&self, space: &Space, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.memory.key_value(space, key)
    }
}

/// For the tests' builders, which take a journal that others look at as well.
#[must_use]
pub fn held() -> Arc<HeldJournal> {
    Arc::new(HeldJournal::default())
}
