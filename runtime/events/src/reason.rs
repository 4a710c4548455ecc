//! The reasons of a session's end and of a drain.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a session ended.
///
/// In JSON the bare word, e.g. `"user-exit"`, and for [`EndReason::Other`] `{"other":"melted"}`. So an owner's word is
/// never taken for a case of the same name, nor for one that a later version adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words are the WIT's; documented there and in `as_str`")]
#[non_exhaustive]
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
    /// Set by the runtime: the owner or the runtime died, and the end was discovered afterwards.
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

    /// Returns the word of the WIT.
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

    /// Parses our own word. Any other word becomes [`EndReason::Other`].
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
        match self {
            Self::Other(other) => Stored::Other { other: other.into() }.serialize(serializer),
            ours => serializer.serialize_str(ours.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for EndReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            // Earlier versions wrote an owner's word in this form as well.
            Stored::Word(word) => Self::from_word(&word),
            Stored::Other { other } => Self::Other(other.into_owned()),
        })
    }
}

/// A reason in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored<'a> {
    Word(Cow<'a, str>),
    Other { other: Cow<'a, str> },
}

/// Why the whole set is ended at once. The first recorded cause of a run wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrainReason {
    /// The owner, or the runtime, is going away.
    Shutdown,
    /// The owner, or the runtime, is going away and will be back at once.
    Restart,
    /// The owner died without a goodbye.
    Crashed,
}

impl DrainReason {
    /// Returns the reason of each session's end.
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
    use proptest::prelude::*;

    use super::*;
    use crate::Owner;

    fn any_word() -> impl Strategy<Value = String> {
        let ours = prop::sample::select(&EndReason::ALL[..]).prop_map(|reason| reason.as_str().to_owned());
        prop_oneof![ours, any::<String>()]
    }

    #[test]
    fn every_word_of_ours_comes_back_as_itself() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::from_word(reason.as_str()), reason);
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
        }
        assert_eq!(EndReason::from_word("melted"), EndReason::Other("melted".into()));
    }

    #[test]
    fn a_bare_word_of_an_earlier_version_is_read() {
        assert_eq!(serde_json::from_str::<EndReason>("\"clear\"").unwrap(), EndReason::Clear);
        assert_eq!(serde_json::from_str::<EndReason>("\"melted\"").unwrap(), EndReason::Other("melted".into()));
    }

    proptest! {
        /// An owner's unknown word may be spelled like one of ours.
        #[test]
        fn every_reason_comes_back_from_json_as_itself(
            owner in prop::sample::select(&Owner::ALL[..]),
            word in any_word(),
        ) {
            for reason in [owner.end_reason(&word), EndReason::from_word(&word), EndReason::Other(word)] {
                let json = serde_json::to_string(&reason).unwrap();
                prop_assert_eq!(serde_json::from_str::<EndReason>(&json).unwrap(), reason);
            }
        }
    }
}
