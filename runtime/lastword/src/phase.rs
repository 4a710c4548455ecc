//! How far a runtime is on its way to its end.

/// Each phase follows those above it; some may be left out. The dispatcher keeps the current one, see
/// [`Dispatcher::watch_phase`](crate::dispatch::Dispatcher::watch_phase).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Events are taken, deliveries are made, and failures are tried again.
    #[default]
    Serving,
    /// The runtime detaches: no call begins any more, and those that are under way come to their end.
    Detaching,
    /// A drain has taken its snapshot of the active sessions: everything that is owed gets one attempt.
    Draining,
    /// The budget of a drain, or of a runtime that detaches, has ended: nothing begins any more, and workers drop their calls.
    Cut,
    /// The drain's account is closed: whatever comes of a call now, it counts as cut.
    Closed,
    /// The drain is over.
    Drained,
    /// Workers leave: the runtime is over, or its last handle is gone.
    Stopped,
}

impl Phase {
    /// A drain has taken its snapshot, or a budget has ended, and the runtime is still there.
    pub(crate) fn is_draining(self) -> bool {
        (Self::Draining..=Self::Drained).contains(&self)
    }

    /// Nothing more is going to be decided.
    pub(crate) fn is_over(self) -> bool {
        self >= Self::Drained
    }
}
