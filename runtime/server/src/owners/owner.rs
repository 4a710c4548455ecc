//! An owner, and how its death is noticed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::events::{Identity, OwnerProcess, SessionOwner, Timestamp};
use lastword_process::Process;

use crate::limits::UNWATCHED_OWNER_KEPT;

/// Identifies an owner in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OwnerId(pub(super) u64);

/// The name of an owner, in its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnerName {
    pub(crate) tenant: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl OwnerName {
    pub(crate) fn new(tenant: &str, name: &str) -> Self {
        Self { tenant: tenant.into(), name: name.into() }
    }
}

/// How the server notices an owner's death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// The owner's process exits.
    Process(Process),
    /// The owner's connection closes without a goodbye.
    Connection,
    /// The owner was silent for so long.
    Lease(Duration),
    /// Nothing tells of the owner's death. Without sessions, the owner is forgotten after a long silence.
    Unwatched,
}

impl Life {
    /// Returns how long an owner with this life may be silent.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self {
            Self::Lease(lease) => Some(*lease),
            Self::Unwatched => Some(UNWATCHED_OWNER_KEPT),
            Self::Process(_) | Self::Connection => None,
        }
    }
}

/// How an owner was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// The owner's process has exited.
    Process,
    /// The owner's connection was closed without a goodbye.
    Connection,
    /// The owner's lease has lapsed.
    Lease,
}

impl Loss {
    /// `process`, `connection` or `lease`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Connection => "connection",
            Self::Lease => "lease",
        }
    }
}

/// An owner, alive or in its grace.
#[derive(Debug)]
pub(super) struct Owner {
    /// The owner's name. A raw connection has none.
    pub(super) name: Option<OwnerName>,
    /// The owner's kind. Empty: it has not said it.
    pub(super) kind: Arc<str>,
    pub(super) life: Life,
    pub(super) death: Option<Death>,
    pub(super) sessions: HashSet<Identity>,
}

/// The death of an owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    pub(super) how: Loss,
    pub(super) at: Timestamp,
    /// Sessions of the owner when it died.
    pub(super) sessions: usize,
    /// When the owner's sessions end.
    pub(super) grace_ends: Instant,
}

impl Owner {
    pub(super) fn new(name: Option<OwnerName>, kind: Arc<str>) -> Self {
        Self { name, kind, life: Life::Unwatched, death: None, sessions: HashSet::new() }
    }

    /// Returns the journal's record of the owner. `None` for an owner that cannot be recognized again.
    pub(super) fn record(&self) -> Option<SessionOwner> {
        let name = self.name.as_ref()?.name.to_string();
        let (process, lease_ms) = match &self.life {
            Life::Process(Process { pid, start_time, boot_id }) => {
                (Some(OwnerProcess { pid: *pid, start_time: *start_time, boot_id: boot_id.clone() }), None)
            }
            Life::Lease(lease) => (None, Some(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX))),
            Life::Connection | Life::Unwatched => (None, None),
        };
        Some(SessionOwner { name, process, lease_ms })
    }
}
