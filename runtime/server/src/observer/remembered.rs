//! Remembered drains and dead owners.

use std::sync::Arc;
use std::time::Duration;

use lastword::events::{DrainReport, PluginDrain, Timestamp};

use crate::owners::{Loss, LostOwner, OwnerDrain};

/// A drain that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastDrain {
    pub(crate) of: Drained,
    /// Why the drain ended the sessions.
    pub(crate) reason: String,
    pub(crate) began: Timestamp,
    pub(crate) budget: Duration,
    pub(crate) elapsed: Duration,
    pub(crate) sessions: u64,
    pub(crate) counts: EndCounts,
    pub(crate) timed_out: bool,
}

/// The outcomes of ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EndCounts {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) deferred: u64,
}

/// The subject of a drain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// The daemon, with a line for each tenant and plugin.
    Daemon(Vec<PluginDrain>),
    /// An owner. A connection has no name.
    Owner(Option<Arc<str>>),
}

impl PastDrain {
    /// Records the daemon's drain, which ended just now.
    pub(super) fn of_daemon(report: &DrainReport) -> Self {
        let DrainReport { delivered, failed, deferred, .. } = *report;
        Self {
            of: Drained::Daemon(report.plugins.clone()),
            reason: report.reason.to_string(),
            began: before_now(report.elapsed),
            budget: report.budget,
            elapsed: report.elapsed,
            sessions: report.sessions,
            counts: EndCounts { delivered, failed, deferred },
            timed_out: report.timed_out,
        }
    }

    /// Records an owner's drain, which ended just now.
    pub(super) fn of_owner(name: Option<Arc<str>>, report: &OwnerDrain) -> Self {
        let OwnerDrain { delivered, failed, deferred, .. } = *report;
        let elapsed = Duration::from_millis(report.elapsed_ms);
        Self {
            of: Drained::Owner(name),
            reason: report.reason.clone(),
            began: before_now(elapsed),
            budget: Duration::from_millis(report.budget_ms),
            elapsed,
            sessions: report.sessions,
            counts: EndCounts { delivered, failed, deferred },
            timed_out: report.timed_out,
        }
    }
}

pub(super) fn before_now(time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(Timestamp::now().as_millisecond().saturating_sub(millis))
}

/// An owner that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastDeath {
    /// The owner's name. A connection has none.
    pub(crate) name: Option<Arc<str>>,
    /// The owner's kind. Empty: it has not said it.
    pub(crate) kind: Arc<str>,
    pub(crate) how: Loss,
    /// Sessions of the owner.
    pub(crate) sessions: usize,
    pub(crate) at: Timestamp,
    /// Whether the owner has come back within its grace.
    pub(crate) is_back: bool,
    /// Whether hooks that came after the death named its sessions.
    pub(crate) is_late: bool,
}

impl PastDeath {
    /// Records a death that happened just now.
    pub(super) fn of(lost: &LostOwner) -> Self {
        Self {
            name: lost.name.as_ref().map(|name| name.name.clone()),
            kind: lost.kind.clone(),
            how: lost.how,
            sessions: lost.sessions,
            at: Timestamp::now(),
            is_back: false,
            is_late: false,
        }
    }

    /// Records a death whose sessions are known now that its grace is over.
    pub(super) fn revealed(lost: &LostOwner, grace: Duration) -> Self {
        Self { at: before_now(grace), is_late: true, ..Self::of(lost) }
    }

    /// Returns how the death was noticed.
    pub(crate) fn how_noticed(&self) -> &'static str {
        match self.how {
            Loss::Process if self.is_late => "its process was gone when its hook came",
            Loss::Process => "its process exited",
            Loss::Connection => "its connection closed",
            Loss::Lease => "its lease lapsed",
        }
    }
}
