//! The result of handing an event over.

/// The result of handing an event over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// The event is on record.
    Taken {
        /// Whether the daemon is older than this program, and exits when it is idle.
        is_outdated: bool,
    },
    /// No daemon will take the event, for this reason.
    Refused(String),
    /// A daemon may have taken the event, or may take it later.
    Unanswered {
        /// The reason.
        why: String,
        /// As in [`Taken`](Self::Taken). A newer daemon may take an event that an older one refuses.
        is_outdated: bool,
    },
}

impl Answered {
    /// A result without a daemon's answer.
    pub(super) fn unanswered(why: impl Into<String>) -> Self {
        Self::Unanswered { why: why.into(), is_outdated: false }
    }
}
