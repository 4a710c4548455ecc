//! How far a runtime is on its way to its end.

/// Each phase follows those above it; some may be left out. The dispatcher keeps the current one, see
/// [`Dispatcher::watch_phase`](crate::dispatch::Dispatcher::watch_phase).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Events are taken, deliveries are made, and failures are tried again.
    #[default]
    Serving,
    /// A drain has taken its snapshot of the active sessions: everything that is owed gets one attempt.
    Draining,
    /// The drain's budget has ended: nothing begins any more, and workers drop their calls.
    Cut,
    /// The drain's account is closed: whatever comes of a call now, it counts as cut.
    Closed,
    /// The drain is over.
    Drained,
    /// Workers leave: the runtime was closed without a drain, or its last handle is gone.
    Stopped,
}

impl Phase {
    /// A drain has taken its snapshot, and the runtime is still there.
    pub(crate) fn is_draining(self) -> bool {
        (Self::Draining..=Self::Drained).contains(&self)
    }

    /// Nothing more is going to be decided.
    pub(crate) fn is_over(self) -> bool {
        self >= Self::Drained
    }
}
