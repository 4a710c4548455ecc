//! How far a runtime is on its way to its end.

/// The phases in their order. A runtime may skip some. The dispatcher keeps the current phase, see
/// [`Dispatcher::watch_phase`](crate::dispatch::Dispatcher::watch_phase).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Events are accepted, deliveries are made, and failures are tried again.
    #[default]
    Serving,
    /// The runtime detaches: no call begins any more, and calls under way come to their end.
    Detaching,
    /// A drain has taken its snapshot of the active sessions: every owed delivery gets one attempt.
    Draining,
    /// The budget of a drain or of a detach has ended: nothing begins any more, and workers drop their calls.
    Cut,
    /// The drain's account is closed: a call that ends now counts as cut, whatever its outcome.
    Closed,
    /// The drain is over.
    Drained,
    /// Workers leave: the run is over, or the last handle of the runtime is gone.
    Stopped,
}

impl Phase {
    /// Whether a drain has taken its snapshot, or a budget has ended, and the runtime is still there.
    pub(crate) fn is_draining(self) -> bool {
        (Self::Draining..=Self::Drained).contains(&self)
    }

    /// Whether nothing more is going to be decided.
    pub(crate) fn is_over(self) -> bool {
        self >= Self::Drained
    }
}
