//! Errors of a journal.

use thiserror::Error;

use crate::delivery_key::DeliveryKey;

/// Why a journal could not do what it was asked. Nothing that the journal said was durable is affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The journal cannot be read or written just now, for another reason than those below.
    #[error("the journal cannot be used: {0}")]
    Unavailable(String),
    /// The disk has no room.
    #[error("the journal cannot be used: {0}")]
    Full(String),
    /// Too much waits to be written already, or another program holds the file. The request can be made again later.
    #[error("the journal cannot be used: {0}")]
    Busy(String),
    /// The file is damaged, or another program has written into it.
    #[error("the journal cannot be used: {0}")]
    Damaged(String),
    /// Nothing can be written before [`Journal::recover`](crate::Journal::recover) has begun the run.
    #[error("the journal cannot be used: its run has not begun")]
    NotBegun,
    /// The `op_id` was used before for one of the two requests of a replacement, and not for the other.
    #[error("the op_id {0:?} was used for another request: nothing was done; send it with an op_id of its own")]
    OpConflict(String),
    /// This operation cannot be recorded, whatever the disk does. Other operations can. If the runtime had decided the operation, it is set
    /// aside, see [`Journal::set_aside`](crate::Journal::set_aside).
    #[error("this cannot be recorded, though other things can: {0}")]
    Unwritable(String),
    /// Some of the outcomes that were to be recorded together cannot be, and are set aside. The others are on record.
    #[error("{} of the outcomes cannot be recorded, though other things can: {why}", deliveries.len())]
    UnwritableOutcomes {
        /// The deliveries of the outcomes that cannot be recorded. In the journal these deliveries are owed as before.
        deliveries: Vec<DeliveryKey>,
        /// Why the first of these outcomes cannot be recorded.
        why: String,
    },
    /// The journal was closed before it answered.
    #[error(
        "the journal was closed before it answered; the event may or may not be recorded: send it again with its op_id"
    )]
    Closed,
    /// A write names a session that the journal does not have. That is a defect of the caller.
    #[error("the journal has no session with the sequence number {0}")]
    UnknownSession(u64),
}

/// The kind of a [`JournalError`], by what a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// The disk has no room. Nothing is accepted until it has.
    Full,
    /// Too much waits already. Ask again later.
    Busy,
    /// The file is damaged. A restart salvages what it can.
    Damaged,
    /// The journal was closed before it answered.
    Closed,
    /// The run has not begun.
    NotBegun,
    /// The `op_id` was used for another request.
    OpConflict,
    /// This one operation cannot be recorded. Others can.
    Unwritable,
    /// The journal cannot be read or written just now. Ask again later, or another node. The message says why.
    Unavailable,
    /// Anything else. The message says what.
    Other,
}

impl JournalError {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> JournalErrorKind {
        match self {
            Self::Full(_) => JournalErrorKind::Full,
            Self::Busy(_) => JournalErrorKind::Busy,
            Self::Damaged(_) => JournalErrorKind::Damaged,
            Self::Closed => JournalErrorKind::Closed,
            Self::NotBegun => JournalErrorKind::NotBegun,
            Self::OpConflict(_) => JournalErrorKind::OpConflict,
            Self::Unwritable(_) | Self::UnwritableOutcomes { .. } => JournalErrorKind::Unwritable,
            Self::Unavailable(_) => JournalErrorKind::Unavailable,
            Self::UnknownSession(_) => JournalErrorKind::Other,
        }
    }
}
