use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a session ended. In JSON the bare word, e.g. `"user-exit"`; a word that is not ours is [`EndReason::Other`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words are the WIT's; documented there and in `as_str`")]
pub enum EndReason {
    New,
    Reset,
    Idle,
    Daily,
    Compaction,
    Deleted,
    Shutdown,
    Restart,
    Clear,
    Resume,
    Logout,
    UserExit,
    Completed,
    Aborted,
    Error,
    Timeout,
    /// The runtime's own: the owner or the runtime died and the end was found out afterwards.
    Crashed,
    Unknown,
    /// An owner's word that has no case of its own.
    Other(String),
}

impl EndReason {
    /// Every reason but [`EndReason::Other`].
    pub const ALL: [Self; 18] = [
        Self::New,
        Self::Reset,
        Self::Idle,
        Self::Daily,
        Self::Compaction,
        Self::Deleted,
        Self::Shutdown,
        Self::Restart,
        Self::Clear,
        Self::Resume,
        Self::Logout,
        Self::UserExit,
        Self::Completed,
        Self::Aborted,
        Self::Error,
        Self::Timeout,
        Self::Crashed,
        Self::Unknown,
    ];

    /// The word as the WIT writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::New => "new",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::Daily => "daily",
            Self::Compaction => "compaction",
            Self::Deleted => "deleted",
            Self::Shutdown => "shutdown",
            Self::Restart => "restart",
            Self::Clear => "clear",
            Self::Resume => "resume",
            Self::Logout => "logout",
            Self::UserExit => "user-exit",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
            Self::Unknown => "unknown",
            Self::Other(word) => word,
        }
    }

    /// The reason that our own word names; any other word becomes [`EndReason::Other`].
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|r| r.as_str() == word).unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EndReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EndReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_word(&std::borrow::Cow::<'de, str>::deserialize(deserializer)?))
    }
}

/// Why the whole set is ended at once. The first recorded cause of a run wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrainReason {
    /// The owner, or the runtime, is going away.
    Shutdown,
    /// It is going away and will be back at once.
    Restart,
    /// The owner died without a word.
    Crashed,
}

impl DrainReason {
    /// The reason that each session's end carries.
    #[must_use]
    pub fn end_reason(self) -> EndReason {
        match self {
            Self::Shutdown => EndReason::Shutdown,
            Self::Restart => EndReason::Restart,
            Self::Crashed => EndReason::Crashed,
        }
    }
}

impl fmt::Display for DrainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.end_reason().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back_as_itself() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::from_word(reason.as_str()), reason);
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<EndReason>(&json).unwrap(), reason);
        }
        assert_eq!(EndReason::from_word("melted"), EndReason::Other("melted".into()));
    }
}
