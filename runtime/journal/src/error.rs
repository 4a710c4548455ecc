//! Why a journal could not do what it was asked.

use thiserror::Error;

use crate::delivery_key::DeliveryKey;

/// A journal that could not do what it was asked. Nothing that it said was durable is affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The journal cannot be read or written just now.
    #[error("the journal cannot be used: {0}")]
    Unavailable(String),
    /// This operation cannot be recorded, whatever the disk does; others can. What the runtime wanted recorded is set aside, see
    /// [`Journal::set_aside`](crate::Journal::set_aside).
    #[error("this cannot be recorded, though other things can: {0}")]
    Unwritable(String),
    /// Of outcomes that were to be recorded together, these failures cannot be; the others are on record.
    #[error("{} of the failures cannot be recorded, though other things can: {why}", deliveries.len())]
    UnwritableFailures {
        /// The deliveries whose failures they are.
        deliveries: Vec<DeliveryKey>,
        /// Why the first of them cannot be recorded.
        why: String,
    },
    /// The journal was closed before it answered.
    #[error(
        "the journal was closed before it answered; the event may or may not be recorded: send it again with its op_id"
    )]
    Closed,
    /// A write names a session that the journal does not have: a defect of the caller.
    #[error("the journal has no session with the sequence number {0}")]
    UnknownSession(u64),
}
