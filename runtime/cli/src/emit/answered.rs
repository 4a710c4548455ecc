//! What came of handing an event over.

/// What came of handing an event over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// It is on record.
    Taken {
        /// The daemon is older than this program, and leaves by itself when nobody needs it.
        is_outdated: bool,
    },
    /// It will never be taken: why.
    Refused(String),
    /// It may be taken, or has been, and nobody has said so: why.
    Unanswered(String),
}
