//! A session that the server ends when nothing is heard of it.

use std::sync::Arc;
use std::time::Instant;

use lastword::events::{DrainReason, EndReason, Identity, SessionEnd, Timestamp};

use super::owner::OwnerId;

/// The reason's word for a session whose owner died or left. No owner uses it.
const EXITED: &str = "exited";
/// The reason's word for a session that was silent for long.
const IDLE: &str = "idle";

/// Tells one start or compaction of a session from the next, so that an older decision to end does not end a newer
/// start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(super) u64);

/// A session that is active, or about to be.
#[derive(Debug)]
pub(super) struct OwnedSession {
    pub(super) owner: Option<OwnerId>,
    /// The owner's kind, else the session's own. Empty if neither is known.
    pub(super) kind: Arc<str>,
    /// Whether the agent is at work: its last event was not the end of a turn.
    pub(super) turn_open: bool,
    pub(super) heard: Instant,
    pub(super) mark: Mark,
    /// Why the session is to end, once that is decided.
    pub(super) ending: Option<Ending>,
    /// Unanswered starts and compactions. While there are any, the session is kept: one of them may make it active.
    pub(super) starts: u32,
    /// Unanswered ends. A request that is made now comes after them.
    pub(super) ends: u32,
}

impl OwnedSession {
    /// A session that was just heard of for the first time.
    pub(super) fn new(mark: Mark, heard: Instant) -> Self {
        let kind = Arc::default();
        Self { owner: None, kind, turn_open: false, heard, mark, ending: None, starts: 0, ends: 0 }
    }
}

/// Why the server ends a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The owner is dead.
    OwnerLost {
        /// When the death was noticed.
        at: Timestamp,
        /// Whether the agent was at work.
        turn_open: bool,
    },
    /// The owner has said goodbye, and the end could not be written down at once.
    Goodbye {
        /// When the owner said goodbye.
        at: Timestamp,
        /// The reason of the goodbye.
        reason: DrainReason,
    },
    /// The session was silent for long.
    Idle {
        /// When the silence was noticed.
        at: Timestamp,
    },
}

/// A session that is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionToEnd {
    pub(crate) identity: Identity,
    pub(crate) mark: Mark,
    pub(crate) ending: Ending,
}

impl Ending {
    /// Returns the event for plugins.
    pub(crate) fn event(&self) -> SessionEnd {
        match *self {
            // The session was cut off, which `crashed` means.
            Self::OwnerLost { at, turn_open: true } => SessionEnd::new(EndReason::Crashed, at),
            Self::OwnerLost { at, turn_open: false } => {
                SessionEnd { raw_reason: Some(EXITED.to_owned()), ..SessionEnd::new(EndReason::Unknown, at) }
            }
            Self::Goodbye { at, reason } => SessionEnd::new(reason.end_reason(), at),
            Self::Idle { at } => {
                SessionEnd { raw_reason: Some(IDLE.to_owned()), ..SessionEnd::new(EndReason::Idle, at) }
            }
        }
    }
}
