//! The two sides of a compaction.
//!
//! Apart from [`event`](crate::event), which needs the keys of events: those name the side.

use serde::{Deserialize, Serialize};

/// The side of a compaction that an event is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompactionPhase {
    /// It is about to happen.
    Before,
    /// It has happened.
    After,
}

impl CompactionPhase {
    /// `before` or `after`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}
