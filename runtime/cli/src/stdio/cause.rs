//! The cause of the service's end.

use std::time::Instant;

use lastword_events::DrainReason;

use crate::signals::Received;

/// The cause of the service's end. The first one counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Signal(Received),
    /// The input ended soon after a terminal's interrupt, so the owner has ended.
    Interrupted {
        at: Instant,
    },
    ShutdownLine {
        reason: DrainReason,
        at: Instant,
    },
    /// The input ended without a goodbye.
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

    /// Returns the beginning of the budget.
    pub(super) fn at(self) -> Instant {
        match self {
            Self::Signal(signal) => signal.at,
            Self::ShutdownLine { at, .. } | Self::Interrupted { at } | Self::OwnerDied { at } | Self::Failed { at } => {
                at
            }
        }
    }
}
