//! How an attempt at a delivery ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest answered ok.
    Delivered,
    /// The attempt counts as a failure.
    Failed {
        /// What went wrong.
        cause: FailureCause,
        /// For people.
        message: String,
    },
    /// There was no attempt, or it was cut for a reason that is not the plugin's. It stays owed and counts as no failure.
    Deferred(Deferral),
}

impl Outcome {
    /// `delivered`, `failed` or `deferred`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed { .. } => "failed",
            Self::Deferred(_) => "deferred",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => f.write_str("delivered"),
            Self::Failed { cause, .. } => write!(f, "failed({cause})"),
            Self::Deferred(why) => write!(f, "deferred({why})"),
        }
    }
}

/// What made an attempt fail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// The guest answered `err(retry(…))`.
    Retry,
    /// The guest answered `err(fatal(…))`.
    Fatal,
    /// The guest trapped; the word says how, e.g. `unreachable`, `exit`, or `host-call` for one that breaks its rules.
    Trap(String),
    /// It used up its fuel.
    Fuel,
    /// It ran, or waited for the host, for longer than its deadline.
    Deadline,
    /// It wanted more memory than its limit.
    Memory,
    /// It went over another of its limits; the word says which, e.g. `host-calls`.
    Limit(String),
    /// The host failed it: no instance could be made, the system refused something, a panic of ours.
    Host,
    /// The process died each time that it was made.
    Lost,
}

impl FailureCause {
    /// The bare word: `retry`, `fatal`, `trap`, `fuel`, `deadline`, `memory`, `limit`, `host` or `lost`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Retry => "retry",
            Self::Fatal => "fatal",
            Self::Trap(_) => "trap",
            Self::Fuel => "fuel",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Limit(_) => "limit",
            Self::Host => "host",
        }
    }

    /// Which trap, or which limit.
    #[must_use]
    pub fn which(&self) -> Option<&str> {
        match self {
            Self::Trap(which) | Self::Limit(which) => Some(which),
            _ => None,
        }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.which() {
            Some(which) => write!(f, "{}: {which}", self.as_str()),
            None => f.write_str(self.as_str()),
        }
    }
}

/// Why a delivery is left for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deferral {
    /// The drain's budget ended.
    Budget,
    /// The breaker passed the plugin over for the rest of the drain.
    Breaker,
    /// The tenant or the plugin is over a quota.
    Quota,
    /// The tenant's plugins have stored more than the journal has written, until the drain's budget ended.
    Journal,
    /// It wanted memory that other calls hold, and gave way to an older one. It is begun again in its turn.
    Memory,
    /// It waited for so long for its turn at something that is shared that it gave its slot back. It is begun again in its
    /// turn.
    Turn,
}

impl Deferral {
    /// `budget`, `breaker`, `quota`, `journal`, `memory` or `turn`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Breaker => "breaker",
            Self::Quota => "quota",
            Self::Journal => "journal",
            Self::Memory => "memory",
            Self::Turn => "turn",
        }
    }
}

impl fmt::Display for Deferral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
