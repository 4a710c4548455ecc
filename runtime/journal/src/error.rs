//! Why a journal could not do what it was asked.

use thiserror::Error;

use crate::delivery_key::DeliveryKey;

/// A journal that could not do what it was asked. Nothing that it said was durable is affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The journal cannot be read or written just now, for another reason than those below.
    #[error("the journal cannot be used: {0}")]
    Unavailable(String),
    /// The disk has no room.
    #[error("the journal cannot be used: {0}")]
    Full(String),
    /// Too much waits to be written already, or somebody else holds the file: it can be asked again later.
    #[error("the journal cannot be used: {0}")]
    Busy(String),
    /// The file is damaged, or something else has written into it.
    #[error("the journal cannot be used: {0}")]
    Damaged(String),
    /// Nothing can be written before [`Journal::recover`](crate::Journal::recover) has begun the run.
    #[error("the journal cannot be used: its run has not begun")]
    NotBegun,
    /// The `op_id` was used for another request: for one of the two that were to be carried out as one, and not for the other.
    #[error("the op_id {0:?} was used for another request: nothing was done; send it with an op_id of its own")]
    OpConflict(String),
    /// This operation cannot be recorded, whatever the disk does; others can. What the runtime wanted recorded is set aside, see
    /// [`Journal::set_aside`](crate::Journal::set_aside).
    #[error("this cannot be recorded, though other things can: {0}")]
    Unwritable(String),
    /// Of outcomes that were to be recorded together, these cannot be, and are set aside; the others are on record.
    #[error("{} of the outcomes cannot be recorded, though other things can: {why}", deliveries.len())]
    UnwritableOutcomes {
        /// The deliveries whose outcomes they are: in the journal they are owed as before.
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

/// What kind of trouble a [`JournalError`] is: what a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// The disk has no room: nothing is accepted until it has.
    Full,
    /// Too much waits already: ask again later.
    Busy,
    /// The file is damaged: a restart salvages what it can.
    Damaged,
    /// The journal was closed before it answered.
    Closed,
    /// The run has not begun.
    NotBegun,
    /// The request's `op_id` was used for another one.
    OpConflict,
    /// This one thing cannot be recorded, and others can.
    Unwritable,
    /// Anything else: the message says what.
    Other,
}

impl JournalError {
    /// What kind of trouble it is.
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
            Self::Unavailable(_) | Self::UnknownSession(_) => JournalErrorKind::Other,
        }
    }
}
