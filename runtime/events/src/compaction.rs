//! The two sides of a compaction.
//!
//! Separate from [`event`](crate::event), which depends on the keys of events: those name the side.

use serde::{Deserialize, Serialize};

/// The side of a compaction that an event is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompactionPhase {
    /// The compaction is about to happen.
    Before,
    /// The compaction has happened.
    After,
}

impl CompactionPhase {
    /// Returns `before` or `after`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}
