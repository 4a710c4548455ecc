//! A session that somebody is to be asked for when nothing is heard of it.

use std::sync::Arc;
use std::time::Instant;

use lastword::events::{DrainReason, EndReason, Identity, SessionEnd, Timestamp};

use super::owner::OwnerId;

/// The word for why an owner's session ended that did not say so: it is no word of the owner's.
const EXITED: &str = "exited";
/// The word for a session of which nothing was heard for long.
const IDLE: &str = "idle";

/// Tells one start or compaction of a session from the next: an end that was decided before does not end what came after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(pub(super) u64);

/// A session that is active, or about to be.
#[derive(Debug)]
pub(super) struct OwnedSession {
    pub(super) owner: Option<OwnerId>,
    /// Its owner's, else the one that it says itself; empty when nobody has said one.
    pub(super) kind: Arc<str>,
    /// The agent is at work: its last event was not the end of a turn.
    pub(super) turn_open: bool,
    pub(super) heard: Instant,
    pub(super) mark: Mark,
    /// Why it is to end, once that is certain.
    pub(super) ending: Option<Ending>,
    /// Starts and compactions that are not answered. While there are any it is not forgotten: one of them may make it active.
    pub(super) starts: u32,
    /// Ends that are not answered. What is asked for now comes after them.
    pub(super) ends: u32,
}

impl OwnedSession {
    /// One that was just heard of, and of which nothing else is known.
    pub(super) fn new(mark: Mark, heard: Instant) -> Self {
        let kind = Arc::default();
        Self { owner: None, kind, turn_open: false, heard, mark, ending: None, starts: 0, ends: 0 }
    }
}

/// Why a session ends of which its owner does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its owner is dead.
    OwnerLost {
        /// When that was noticed.
        at: Timestamp,
        /// It was at work.
        turn_open: bool,
    },
    /// Its owner has said goodbye, and that could not be written down at once.
    Goodbye {
        /// When it said so.
        at: Timestamp,
        /// Why it went.
        reason: DrainReason,
    },
    /// Nothing was heard of it for long.
    Idle {
        /// When that was noticed.
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
    /// The event that plugins are told.
    pub(crate) fn event(&self) -> SessionEnd {
        match *self {
            // It was cut off: that is what the word is for.
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
