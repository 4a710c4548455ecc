//! The sender of the writer's queue, for all other threads.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use lastword_journal::state::Resolved;
use lastword_journal::{
    Appended, ChangedDelivery, CommitObserver, DeliveryChange, DeliveryKey, JournalError, JournalOp, Pending, Reply,
};

use crate::command::{Append, Command, Message, Outcomes};
use crate::limits::MAX_QUEUED_WRITES;
use crate::release::ReleaseGuard;

/// Sends to the thread that writes. Dropping it closes the journal once everything is written.
#[derive(Debug)]
pub(crate) struct WriterHandle {
    messages: Option<Sender<Message>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

/// Counts that the writer and the other threads share, and the observer of commits.
#[derive(Default)]
pub(super) struct Counts {
    /// Requests without an answer: owners' lines, and probes.
    pub(super) lines: AtomicUsize,
    /// Writes that were set aside in this run.
    pub(super) set_aside: AtomicU64,
    /// The observer that is told of each commit.
    pub(super) commit_observer: OnceLock<CommitObserver>,
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts").field("lines", &self.lines).field("set_aside", &self.set_aside).finish_non_exhaustive()
    }
}

impl WriterHandle {
    pub(super) fn new(messages: Sender<Message>, counts: Arc<Counts>, thread: JoinHandle<()>) -> Self {
        Self { messages: Some(messages), counts, thread: Some(thread) }
    }

    pub(crate) fn append(&self, op: JournalOp) -> Pending<Appended> {
        self.request(|reply| Append::Requested(Box::new(op), reply))
    }

    pub(crate) fn probe(&self) -> Pending<()> {
        self.request(Append::Probe)
    }

    /// Sends a request, or refuses it with `Busy` at `MAX_QUEUED_WRITES`.
    fn request<T>(&self, what: impl FnOnce(Reply<T>) -> Append) -> Pending<T> {
        let waiting = self.counts.lines.fetch_add(1, Ordering::Relaxed);
        if waiting >= MAX_QUEUED_WRITES {
            self.counts.lines.fetch_sub(1, Ordering::Relaxed);
            let full = format!("{MAX_QUEUED_WRITES} lines wait for the disk already; send this one again later");
            return Pending::ready(Err(JournalError::Busy(full)));
        }
        let (reply, pending) = Pending::later();
        if !self.send(Command::Append(what(reply))) {
            self.counts.lines.fetch_sub(1, Ordering::Relaxed);
        }
        pending
    }

    pub(crate) fn change(&self, change: DeliveryChange, deliveries: Vec<DeliveryKey>) -> Pending<Vec<ChangedDelivery>> {
        let (reply, pending) = Pending::later();
        self.send(Command::Append(Append::Changes(change, deliveries, reply)));
        pending
    }

    pub(crate) fn append_decided(&self, ops: Vec<JournalOp>) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Append(Append::Decided(ops, reply)));
        pending
    }

    pub(crate) fn complete(&self, tenant: &Arc<str>, completions: Vec<Resolved>) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Outcomes(Outcomes::new(tenant.clone(), completions, reply)));
        pending
    }

    pub(crate) fn flush(&self) -> Pending<()> {
        let (reply, pending) = Pending::later();
        self.send(Command::Flush(reply));
        pending
    }

    pub(crate) fn set_aside(&self) -> u64 {
        self.counts.set_aside.load(Ordering::Relaxed)
    }

    /// Sets the observer. Only the first call counts.
    pub(crate) fn observe_commits(&self, observer: CommitObserver) {
        self.counts.commit_observer.set(observer).ok();
    }

    /// Gives a function that makes the writer check its files, though no write waits.
    pub(crate) fn nudge(&self) -> impl Fn() + Send + use<> {
        let messages = self.messages.clone();
        move || {
            let (reply, _) = Pending::later();
            if let Some(messages) = &messages {
                messages.send(Message::Write(Command::Flush(reply))).ok();
            }
        }
    }

    /// Makes the writer write everything that came before, close the file, and end.
    pub(crate) fn release(&self, guard: ReleaseGuard) {
        if let Some(messages) = &self.messages {
            // If the thread is gone, the failed send drops the guard here.
            messages.send(Message::Release(guard)).ok();
            self.unpark();
        }
    }

    /// False when the thread is gone: the journal was released, or a panic of ours has ended it. The reply is dropped then, and answers
    /// `Closed`.
    fn send(&self, command: Command) -> bool {
        let Some(messages) = &self.messages else { return false };
        let somebody_waits = !matches!(command, Command::Outcomes(_));
        let is_sent = messages.send(Message::Write(command)).is_ok();
        if somebody_waits {
            self.unpark();
        }
        is_sent
    }

    fn unpark(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        drop(self.messages.take());
        // An observer of commits may hold the journal last, and drop it on the writer's own thread. The thread does not wait for itself.
        // It goes on and writes the rest.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            thread.join().ok();
        }
    }
}
