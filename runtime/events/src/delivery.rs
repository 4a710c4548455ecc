//! Deliveries: one event that one plugin is owed, its stable id, and its attempts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::{CompactionPhase, Hook, JournalName, PluginName};

/// Identifies an event of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each case is the event of its name")]
pub enum EventKey {
    Start,
    Compaction {
        /// Counts a session's compaction events, from 1.
        n: u32,
        phase: CompactionPhase,
    },
    End,
}

impl EventKey {
    /// Returns the hook for the event.
    #[must_use]
    pub fn hook(self) -> Hook {
        match self {
            Self::Start => Hook::SessionStart,
            Self::Compaction { .. } => Hook::SessionCompaction,
            Self::End => Hook::SessionEnd,
        }
    }
}

/// The form in a delivery id: `session-start`, `session-compaction.<n>-<phase>`, `session-end`.
impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.hook())?;
        if let Self::Compaction { n, phase } = self {
            write!(f, ".{n}-{}", phase.as_str())?;
        }
        Ok(())
    }
}

/// A text that names no event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no event; one looks like session-end or session-compaction.2-after")]
pub struct ParseEventKeyError(String);

impl FromStr for EventKey {
    type Err = ParseEventKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_event(text).ok_or_else(|| ParseEventKeyError(text.to_owned()))
    }
}

impl Serialize for EventKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

fn parse_event(text: &str) -> Option<EventKey> {
    let (n, phase) = match text {
        "session-start" => return Some(EventKey::Start),
        "session-end" => return Some(EventKey::End),
        other => other.strip_prefix("session-compaction.")?.split_once('-')?,
    };
    let phase = match phase {
        "before" => CompactionPhase::Before,
        "after" => CompactionPhase::After,
        _ => return None,
    };
    Some(EventKey::Compaction { n: number(n)?, phase })
}

/// One owed (plugin, event) pair: unique for ever, and the same for every attempt.
///
/// Written `<journal>.<sequence>/session-end/<plugin>`, for compactions
/// `<journal>.<sequence>/session-compaction.<n>-<phase>/<plugin>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The journal that has the session on record.
    pub journal: JournalName,
    /// The session's number in that journal, never used again.
    pub sequence: u64,
    /// The event of the session.
    pub event: EventKey,
    /// The plugin that is owed the event.
    pub plugin: PluginName,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}/{}/{}", self.journal, self.sequence, self.event, self.plugin)
    }
}

/// A text that is no delivery id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no delivery id; one looks like k3f9a2c1.17/session-end/memory")]
pub struct ParseDeliveryIdError(String);

impl FromStr for DeliveryId {
    type Err = ParseDeliveryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseDeliveryIdError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<DeliveryId> {
    let mut parts = text.split('/');
    let (journal, sequence) = parts.next()?.split_once('.')?;
    let event = parse_event(parts.next()?)?;
    let plugin = PluginName::new(parts.next()?).ok()?;
    let none_left = parts.next().is_none();
    none_left.then_some(DeliveryId { journal: journal.parse().ok()?, sequence: number(sequence)?, event, plugin })
}

/// Parses a number in our form: no sign and no leading zero, so that two texts are never the same id.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One attempt to tell one plugin of one event, as the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The idempotency key.
    pub id: DeliveryId,
    /// 1 for the first attempt. No two attempts carry the same number.
    pub attempt: u32,
    /// The time left for this call, in milliseconds.
    pub remaining_ms: u32,
    /// Whether newer events of this session id have been delivered already, or may have been.
    #[serde(default)]
    pub late: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_id() -> impl Strategy<Value = DeliveryId> {
        let phase = prop_oneof![Just(CompactionPhase::Before), Just(CompactionPhase::After)];
        let event = prop_oneof![
            Just(EventKey::Start),
            Just(EventKey::End),
            (any::<u32>(), phase).prop_map(|(n, phase)| EventKey::Compaction { n, phase }),
        ];
        (any::<[u8; 8]>(), any::<u64>(), event, "[a-z0-9-]{1,64}").prop_map(|(journal, sequence, event, plugin)| {
            DeliveryId {
                journal: JournalName::from_random(journal),
                sequence,
                event,
                plugin: PluginName::new(&plugin).unwrap(),
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(id in any_id()) {
            prop_assert_eq!(id.to_string().parse::<DeliveryId>().unwrap(), id);
        }

        #[test]
        fn what_is_read_is_written_back(text in "[a-z0-9]{8}\\.[0-9]{1,3}/session-(start|end|compaction\\.[0-9]-after)/[a-z]") {
            if let Ok(id) = text.parse::<DeliveryId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn the_design_documents_examples_parse() {
        let id: DeliveryId = "k3f9a2c1.17/session-end/memory".parse().unwrap();
        assert_eq!((id.sequence, id.event), (17, EventKey::End));
        let id: DeliveryId = "k3f9a2c1.17/session-compaction.2-after/memory".parse().unwrap();
        assert_eq!(id.event, EventKey::Compaction { n: 2, phase: CompactionPhase::After });
        for bad in [
            "",
            "k3f9a2c1.17/session-end",
            "k3f9a2c1.017/session-end/a",
            "k3f9a2c1.+1/session-end/a",
            "x.1/session-end/a",
            "k3f9a2c1.1/session-end/a/b",
        ] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
        }
    }
}
