//! What a journal is asked to write, together with whom it has to answer.

use std::sync::Arc;

use lastword_journal::{Appended, Completion, Journal, JournalError, JournalOp, MemoryJournal, Pending, Reply};

/// A call of [`Journal`] that is not answered yet.
#[expect(missing_docs, reason = "the variants are named after the functions of `Journal`")]
pub enum Command {
    Append(Box<JournalOp>, Reply<Appended>),
    AppendDecided(Vec<JournalOp>, Reply<()>),
    Complete(Arc<str>, Vec<Completion>, Reply<()>),
    Flush(Reply<()>),
}

impl Command {
    /// As [`Journal::append`].
    #[must_use]
    pub fn append(op: JournalOp) -> (Self, Pending<Appended>) {
        let (reply, pending) = Pending::later();
        (Self::Append(Box::new(op), reply), pending)
    }

    /// As [`Journal::append_decided`].
    #[must_use]
    pub fn append_decided(ops: Vec<JournalOp>) -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::AppendDecided(ops, reply), pending)
    }

    /// As [`Journal::complete`].
    #[must_use]
    pub fn complete(tenant: &Arc<str>, completions: Vec<Completion>) -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::Complete(tenant.clone(), completions, reply), pending)
    }

    /// As [`Journal::flush`].
    #[must_use]
    pub fn flush() -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::Flush(reply), pending)
    }

    /// Writes it to `journal` and answers.
    pub async fn commit(self, journal: &MemoryJournal) {
        match self {
            Self::Append(op, reply) => reply.send(journal.append(*op).await),
            Self::AppendDecided(ops, reply) => reply.send(journal.append_decided(ops).await),
            Self::Complete(tenant, completions, reply) => {
                reply.send(journal.complete(&tenant, completions).pending.await);
            }
            Self::Flush(reply) => reply.send(Ok(())),
        }
    }

    /// Answers that the disk is full.
    pub fn refuse(self) {
        match self {
            Self::Append(_, reply) => reply.send(Err(disk_is_full())),
            Self::AppendDecided(_, reply) | Self::Complete(_, _, reply) | Self::Flush(reply) => {
                reply.send(Err(disk_is_full()));
            }
        }
    }
}

/// What a journal answers for which a disk has no room.
#[must_use]
pub fn disk_is_full() -> JournalError {
    JournalError::Unavailable("the disk is full".to_owned())
}
