//! The other threads' end of the writer's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use lastword_journal::state::Resolved;
use lastword_journal::{Appended, JournalError, JournalOp, Pending};

use crate::command::{Append, Command, Outcomes};
use crate::limits::MAX_QUEUED_WRITES;

/// Sends to the thread that writes. Dropping it closes the journal once everything is written.
#[derive(Debug)]
pub(crate) struct WriterHandle {
    commands: Option<Sender<Command>>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

/// What both the writer and the other threads count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Owners' lines that are not answered.
    pub(super) lines: AtomicUsize,
    /// What was set aside in this run.
    pub(super) set_aside: AtomicU64,
}

impl WriterHandle {
    pub(super) fn new(commands: Sender<Command>, counts: Arc<Counts>, thread: JoinHandle<()>) -> Self {
        Self { commands: Some(commands), counts, thread: Some(thread) }
    }

    pub(crate) fn append(&self, op: JournalOp) -> Pending<Appended> {
        let waiting = self.counts.lines.fetch_add(1, Ordering::Relaxed);
        if waiting >= MAX_QUEUED_WRITES {
            self.counts.lines.fetch_sub(1, Ordering::Relaxed);
            let full = format!("{MAX_QUEUED_WRITES} lines wait for the disk already; send this one again later");
            return Pending::ready(Err(JournalError::Unavailable(full)));
        }
        let (reply, pending) = Pending::later();
        self.send(Command::Append(Append::Requested(Box::new(op), reply)));
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

    /// Has the writer look at its files, though nobody has anything to write.
    pub(crate) fn nudge(&self) -> impl Fn() + Send + use<> {
        let commands = self.commands.clone();
        move || {
            let (reply, _) = Pending::later();
            if let Some(commands) = &commands {
                commands.send(Command::Flush(reply)).ok();
            }
        }
    }

    fn send(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let somebody_waits = !matches!(command, Command::Outcomes(_));
            // The thread is gone only after a panic of ours; the reply that is dropped here says `Closed`.
            commands.send(command).ok();
            if somebody_waits && let Some(thread) = &self.thread {
                thread.thread().unpark();
            }
        }
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
