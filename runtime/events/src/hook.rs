//! The hooks: the exports of a plugin that the runtime calls.

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// An export of a plugin that the runtime calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// A session began. Optional.
    SessionStart,
    /// A session ended. Required of every plugin.
    SessionEnd,
    /// A session is about to be compacted, or was. Optional.
    SessionCompaction,
}

impl Hook {
    /// Every hook, in the order of a session's life.
    pub const ALL: [Self; 3] = [Self::SessionStart, Self::SessionCompaction, Self::SessionEnd];

    /// The export's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionStart => "session-start",
            Self::SessionEnd => "session-end",
            Self::SessionCompaction => "session-compaction",
        }
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Hook {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|h| h.as_str() == text).ok_or_else(|| {
            FieldError::new(
                "hook",
                "unknown_hook",
                format!("{text:?} is no hook: use session-start, session-end or session-compaction"),
            )
        })
    }
}
