//! One owner, and how it is noticed that it dies.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastword::events::{Identity, OwnerProcess, SessionOwner, Timestamp};
use lastword_process::Process;

use crate::limits::UNWATCHED_OWNER_KEPT;

/// Names an owner in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OwnerId(pub(super) u64);

/// What an owner calls itself, in its tenant.
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

/// How it is noticed that an owner dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Its process exits.
    Process(Process),
    /// Its connection closes without a goodbye.
    Connection,
    /// It was not heard of for so long.
    Lease(Duration),
    /// Nothing tells of its death. While it has no session it is forgotten when nothing is heard of it for long.
    Unwatched,
}

impl Life {
    /// For how long an owner that lives so may be silent.
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
    /// Its process has exited.
    Process,
    /// Its connection was closed without a goodbye.
    Connection,
    /// Its lease has lapsed.
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
    /// A raw connection has none.
    pub(super) name: Option<OwnerName>,
    /// Empty when it has not said it.
    pub(super) kind: Arc<str>,
    pub(super) life: Life,
    pub(super) death: Option<Death>,
    pub(super) sessions: HashSet<Identity>,
}

/// An owner is dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    pub(super) at: Timestamp,
    /// When its sessions end.
    pub(super) grace_ends: Instant,
}

impl Owner {
    pub(super) fn new(name: Option<OwnerName>, kind: Arc<str>) -> Self {
        Self { name, kind, life: Life::Unwatched, death: None, sessions: HashSet::new() }
    }

    /// What a journal keeps of it; none of an owner that cannot be known again.
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
