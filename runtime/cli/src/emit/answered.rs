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
    /// It may be taken, or has been, and nobody has said so.
    Unanswered {
        /// Why.
        why: String,
        /// As of [`Taken`](Self::Taken): what such a daemon refuses the next one may take.
        is_outdated: bool,
    },
}

impl Answered {
    /// Nobody has said anything.
    pub(super) fn unanswered(why: impl Into<String>) -> Self {
        Self::Unanswered { why: why.into(), is_outdated: false }
    }
}
