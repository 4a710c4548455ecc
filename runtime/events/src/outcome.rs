//! The outcome of an attempt at a delivery.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The outcome of one attempt.
///
/// In JSON it has the fields `outcome`, `cause`, `which` and `message` of stdio, e.g.
/// `{"outcome":"failed","cause":"trap","which":"unreachable","message":"…"}` or
/// `{"outcome":"deferred","cause":"budget"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest answered ok.
    Delivered,
    /// The attempt counts as a failure.
    Failed {
        /// The cause of the failure.
        cause: FailureCause,
        /// The message, for people.
        message: String,
    },
    /// There was no attempt, or it was cut for a reason outside of the plugin. The delivery stays owed, and this counts
    /// as no failure.
    Deferred(Deferral),
}

impl Outcome {
    /// Returns `delivered`, `failed` or `deferred`.
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

/// An outcome in JSON.
#[derive(Serialize, Deserialize)]
struct OutcomeFields<'a> {
    outcome: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    which: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (cause, which, message) = match self {
            Self::Delivered => (None, None, None),
            Self::Failed { cause, message } => (Some(cause.as_str()), cause.which(), Some(message.as_str())),
            Self::Deferred(why) => (Some(why.as_str()), None, None),
        };
        let [cause, which, message] = [cause, which, message].map(|text| text.map(Cow::Borrowed));
        OutcomeFields { outcome: self.as_str().into(), cause, which, message }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OutcomeFields { outcome, cause, which, message } = OutcomeFields::deserialize(deserializer)?;
        let word = cause.as_deref().unwrap_or_default();
        match &*outcome {
            "delivered" => Ok(Self::Delivered),
            "failed" => {
                let which = which.unwrap_or_default().into_owned();
                let cause = FailureCause::from_words(word, which)
                    .ok_or_else(|| de::Error::custom(format_args!("a failure has no cause {word:?}")))?;
                Ok(Self::Failed { cause, message: message.unwrap_or_default().into_owned() })
            }
            "deferred" => {
                let why = Deferral::ALL.into_iter().find(|why| why.as_str() == word);
                let unknown = || de::Error::custom(format_args!("a deferral has no cause {word:?}"));
                why.map(Self::Deferred).ok_or_else(unknown)
            }
            other => Err(de::Error::unknown_variant(other, &["delivered", "failed", "deferred"])),
        }
    }
}

/// The cause of a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureCause {
    /// The guest answered `err(retry(…))`.
    Retry,
    /// The guest answered `err(fatal(…))`.
    Fatal,
    /// The guest trapped. The word names the trap, e.g. `unreachable`, `exit`, or `host-call` for a call that breaks
    /// its rules.
    Trap(String),
    /// The guest used up its fuel.
    Fuel,
    /// The guest ran, or waited for the host, for longer than its deadline.
    Deadline,
    /// The guest wanted more memory than its limit.
    Memory,
    /// The guest exceeded another limit. The word names it, e.g. `host-calls`.
    Limit(String),
    /// The host failed: it could not make an instance, the system refused a resource, or the host panicked.
    Host,
    /// The process died in each attempt.
    Lost,
}

impl FailureCause {
    /// Returns the bare word: `retry`, `fatal`, `trap`, `fuel`, `deadline`, `memory`, `limit`, `host` or `lost`.
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

    /// Parses the words that [`as_str`](Self::as_str) and [`which`](Self::which) return.
    fn from_words(word: &str, which: String) -> Option<Self> {
        Some(match word {
            "retry" => Self::Retry,
            "fatal" => Self::Fatal,
            "trap" => Self::Trap(which),
            "fuel" => Self::Fuel,
            "deadline" => Self::Deadline,
            "memory" => Self::Memory,
            "limit" => Self::Limit(which),
            "host" => Self::Host,
            "lost" => Self::Lost,
            _ => return None,
        })
    }

    /// Returns the name of the trap or of the limit.
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

/// As its text, e.g. `fuel` or `trap: unreachable`.
impl Serialize for FailureCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FailureCause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let (word, which) = text.split_once(": ").unwrap_or((&text, ""));
        let unknown = || de::Error::custom(format_args!("a failure has no cause {text:?}"));
        Self::from_words(word, which.to_owned()).ok_or_else(unknown)
    }
}

/// Why a delivery is deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Deferral {
    /// The drain's budget ended.
    Budget,
    /// The breaker skipped the plugin for the rest of the drain.
    Breaker,
    /// The tenant or the plugin has exceeded a quota.
    Quota,
    /// The tenant's plugins had stored more than the journal had written, until the drain's budget ended.
    Journal,
    /// The call wanted memory that other calls hold, and made room for an older one. It begins again in its turn.
    Memory,
    /// The call waited so long for its turn at a shared resource that it released its slot, or the process had run out
    /// of a resource that other calls hold: slots of the pool, mappings, open files. It begins again in its turn.
    Turn,
}

impl Deferral {
    const ALL: [Self; 6] = [Self::Budget, Self::Breaker, Self::Quota, Self::Journal, Self::Memory, Self::Turn];

    /// Returns `budget`, `breaker`, `quota`, `journal`, `memory` or `turn`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_in_json_is_read_as_what_was_written() {
        let causes = [
            FailureCause::Retry,
            FailureCause::Fatal,
            FailureCause::Trap("unreachable".to_owned()),
            FailureCause::Fuel,
            FailureCause::Deadline,
            FailureCause::Memory,
            FailureCause::Limit("host-calls".to_owned()),
            FailureCause::Host,
            FailureCause::Lost,
        ];
        let failed = causes.map(|cause| Outcome::Failed { cause, message: "why".to_owned() });
        let deferred = Deferral::ALL.map(Outcome::Deferred);
        for outcome in [Outcome::Delivered].into_iter().chain(failed).chain(deferred) {
            let written = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<Outcome>(&written).unwrap(), outcome, "{written}");
        }
        let trap = Outcome::Failed { cause: FailureCause::Trap("exit".to_owned()), message: "code 1".to_owned() };
        assert_eq!(
            serde_json::to_string(&trap).unwrap(),
            r#"{"outcome":"failed","cause":"trap","which":"exit","message":"code 1"}"#
        );
        assert!(serde_json::from_str::<Outcome>(r#"{"outcome":"failed","cause":"melted"}"#).is_err());
    }

    #[test]
    fn a_cause_in_json_is_its_text_and_read_back() {
        for (cause, text) in [
            (FailureCause::Fuel, "fuel"),
            (FailureCause::Trap("unreachable".to_owned()), "trap: unreachable"),
            (FailureCause::Limit("a: b".to_owned()), "limit: a: b"),
            (FailureCause::Trap(String::new()), "trap: "),
        ] {
            let json = serde_json::to_string(&cause).unwrap();
            assert_eq!((&*json, serde_json::from_str(&json).unwrap()), (&*format!("{text:?}"), cause));
        }
        assert!(serde_json::from_str::<FailureCause>(r#""melted""#).is_err());
    }
}
