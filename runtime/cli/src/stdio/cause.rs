//! What ends the service.

use std::time::Instant;

use lastword_events::DrainReason;

use crate::signals::Received;

/// What ended the service. The first one counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Signal(Received),
    /// The input ended soon after a terminal's interrupt: it was the owner's end.
    Interrupted {
        at: Instant,
    },
    ShutdownLine {
        reason: DrainReason,
        at: Instant,
    },
    /// The input ended without a word.
    OwnerDied {
        at: Instant,
    },
    /// The runtime cannot serve its sessions any more.
    Failed {
        at: Instant,
    },
}

impl Cause {
    pub(super) fn reason(self) -> DrainReason {
        match self {
            Self::Signal(_) | Self::Interrupted { .. } => DrainReason::Shutdown,
            Self::ShutdownLine { reason, .. } => reason,
            Self::OwnerDied { .. } | Self::Failed { .. } => DrainReason::Crashed,
        }
    }

    /// When the budget began.
    pub(super) fn at(self) -> Instant {
        match self {
            Self::Signal(signal) => signal.at,
            Self::ShutdownLine { at, .. } | Self::Interrupted { at } | Self::OwnerDied { at } | Self::Failed { at } => {
                at
            }
        }
    }
}
