//! A command of a journal, and the answer that it owes.

use std::sync::Arc;

use crate::{
    Appended, ChangedDelivery, Completion, DeliveryChange, DeliveryKey, Journal, JournalError, JournalOp, Pending,
    Reply,
};

/// A call of [`Journal`] that is not answered yet.
#[expect(missing_docs, reason = "the variants are named after the functions of `Journal`")]
#[derive(Debug)]
pub enum Command {
    Append(Box<JournalOp>, Reply<Appended>),
    AppendDecided(Vec<JournalOp>, Reply<()>),
    Complete(Arc<str>, Vec<Completion>, Reply<()>),
    Flush(Reply<()>),
    Probe(Reply<()>),
    Release(Reply<()>),
    ChangeDeliveries(DeliveryChange, Vec<DeliveryKey>, Reply<Vec<ChangedDelivery>>),
}

impl Command {
    /// The call of [`Journal::append`].
    #[must_use]
    pub fn append(op: JournalOp) -> (Self, Pending<Appended>) {
        let (reply, pending) = Pending::later();
        (Self::Append(Box::new(op), reply), pending)
    }

    /// The call of [`Journal::append_decided`].
    #[must_use]
    pub fn append_decided(ops: Vec<JournalOp>) -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::AppendDecided(ops, reply), pending)
    }

    /// The call of [`Journal::complete`].
    #[must_use]
    pub fn complete(tenant: &Arc<str>, completions: Vec<Completion>) -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::Complete(tenant.clone(), completions, reply), pending)
    }

    /// The call of [`Journal::flush`].
    #[must_use]
    pub fn flush() -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::Flush(reply), pending)
    }

    /// The call of [`Journal::probe`].
    #[must_use]
    pub fn probe() -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::Probe(reply), pending)
    }

    /// The call of [`Journal::release`].
    #[must_use]
    pub fn release() -> (Self, Pending<()>) {
        let (reply, pending) = Pending::later();
        (Self::Release(reply), pending)
    }

    /// The call of [`Journal::change_deliveries`].
    #[must_use]
    pub fn change_deliveries(
        change: DeliveryChange,
        deliveries: Vec<DeliveryKey>,
    ) -> (Self, Pending<Vec<ChangedDelivery>>) {
        let (reply, pending) = Pending::later();
        (Self::ChangeDeliveries(change, deliveries, reply), pending)
    }

    /// Writes the command to `journal` and answers.
    pub async fn commit(self, journal: &dyn Journal) {
        match self {
            Self::Append(op, reply) => reply.send(journal.append(*op).await),
            Self::AppendDecided(ops, reply) => reply.send(journal.append_decided(ops).await),
            Self::Complete(tenant, completions, reply) => {
                reply.send(journal.complete(&tenant, completions).pending.await);
            }
            Self::Flush(reply) | Self::Probe(reply) => reply.send(Ok(())),
            Self::Release(reply) => reply.send(journal.release().await),
            Self::ChangeDeliveries(change, deliveries, reply) => {
                reply.send(journal.change_deliveries(change, deliveries).await);
            }
        }
    }

    /// Writes the command to `journal` and drops the answer: the waiter is told that the journal was closed.
    pub async fn commit_without_answer(self, journal: &dyn Journal) {
        match self {
            Self::Append(op, reply) => drop((journal.append(*op).await, reply)),
            Self::AppendDecided(ops, reply) => drop((journal.append_decided(ops).await, reply)),
            Self::Complete(tenant, completions, reply) => {
                drop((journal.complete(&tenant, completions).pending.await, reply));
            }
            Self::Flush(reply) | Self::Probe(reply) => drop(reply),
            Self::Release(reply) => drop((journal.release().await, reply)),
            Self::ChangeDeliveries(change, deliveries, reply) => {
                drop((journal.change_deliveries(change, deliveries).await, reply));
            }
        }
    }

    /// Answers that the disk is full.
    pub fn refuse(self) {
        match self {
            Self::Append(_, reply) => reply.send(Err(disk_is_full())),
            Self::AppendDecided(_, reply)
            | Self::Complete(_, _, reply)
            | Self::Flush(reply)
            | Self::Probe(reply)
            | Self::Release(reply) => reply.send(Err(disk_is_full())),
            Self::ChangeDeliveries(.., reply) => reply.send(Err(disk_is_full())),
        }
    }
}

/// The answer of a journal on a full disk.
#[must_use]
pub fn disk_is_full() -> JournalError {
    JournalError::Full("the disk is full".to_owned())
}
