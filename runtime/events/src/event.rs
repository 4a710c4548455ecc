//! The events of a session: its start, its compactions and its end.

use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, check_attributes, fit_attributes};
use crate::field::{check_len, drop_if_long};
use crate::limits::{MAX_ID_BYTES, MAX_KEY_BYTES};
use crate::{CompactionPhase, EndReason, EventKey, FieldError, Hook, Timestamp};

/// A session began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionStart {
    /// How it began, in the owner's word: `startup`, `resume`, ….
    pub source: Option<String>,
    /// The id of the session that this one continues.
    pub resumed_from: Option<String>,
    /// The owner's further names and values of the event.
    pub attributes: Attributes,
}

/// A session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// Why it ended.
    pub reason: EndReason,
    /// The owner's own word for the reason.
    #[serde(default)]
    pub raw_reason: Option<String>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it ran, in milliseconds; saturates at about 49 days.
    #[serde(default)]
    pub duration_ms: Option<u32>,
    /// Messages in the conversation, if the owner knows.
    #[serde(default)]
    pub message_count: Option<u32>,
    /// The session that replaces this one.
    #[serde(default)]
    pub next_session_id: Option<String>,
    /// The key of the session that replaces this one.
    #[serde(default)]
    pub next_session_key: Option<String>,
    /// The owner's further names and values of the event.
    #[serde(default)]
    pub attributes: Attributes,
}

/// A session is about to be compacted, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCompaction {
    /// Whether the compaction is about to happen or has happened.
    pub phase: CompactionPhase,
    /// Messages before the compaction.
    #[serde(default)]
    pub message_count: Option<u32>,
    /// Messages that the compaction removed.
    #[serde(default)]
    pub compacted_count: Option<u32>,
    /// Tokens in the context.
    #[serde(default)]
    pub token_count: Option<u32>,
    /// The session that held the conversation before, when the owner changes the id.
    #[serde(default)]
    pub previous_session_id: Option<String>,
    /// The owner's further names and values of the event.
    #[serde(default)]
    pub attributes: Attributes,
}

impl SessionStart {
    /// # Errors
    /// Names the first field that does not fit [`limits`](crate::limits).
    pub fn validate(&self) -> Result<(), FieldError> {
        check_len("source", self.source.as_deref(), MAX_KEY_BYTES)?;
        check_len("resumed_from", self.resumed_from.as_deref(), MAX_ID_BYTES)?;
        check_attributes("event", &self.attributes)
    }

    /// Drops the parts that do not fit [`limits`](crate::limits), and returns their names.
    pub fn fit(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        drop_if_long("source", &mut self.source, MAX_KEY_BYTES, &mut dropped);
        drop_if_long("resumed_from", &mut self.resumed_from, MAX_ID_BYTES, &mut dropped);
        fit_attributes("event", &mut self.attributes, &mut dropped);
        dropped
    }
}

impl SessionEnd {
    /// Makes an end with a reason and a time, and without further fields.
    #[must_use]
    pub fn new(reason: EndReason, ended_at: Timestamp) -> Self {
        Self {
            reason,
            raw_reason: None,
            ended_at,
            duration_ms: None,
            message_count: None,
            next_session_id: None,
            next_session_key: None,
            attributes: Vec::new(),
        }
    }

    /// Sets the duration since the session's start, unless the owner has given it.
    #[must_use]
    pub fn since(mut self, started_at: Option<Timestamp>) -> Self {
        self.duration_ms = self.duration_ms.or_else(|| Some(self.ended_at.millis_since(started_at?)));
        self
    }

    /// Drops the parts that do not fit [`limits`](crate::limits), and returns their names: an end is never refused for
    /// its size.
    pub fn fit(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        if let EndReason::Other(word) = &self.reason
            && word.len() > MAX_KEY_BYTES
        {
            self.reason = EndReason::Unknown;
            dropped.push("reason".to_owned());
        }
        drop_if_long("raw_reason", &mut self.raw_reason, MAX_KEY_BYTES, &mut dropped);
        drop_if_long("next_session_id", &mut self.next_session_id, MAX_ID_BYTES, &mut dropped);
        drop_if_long("next_session_key", &mut self.next_session_key, MAX_KEY_BYTES, &mut dropped);
        fit_attributes("event", &mut self.attributes, &mut dropped);
        dropped
    }
}

impl SessionCompaction {
    /// Makes a compaction of which only the phase is known.
    #[must_use]
    pub fn new(phase: CompactionPhase) -> Self {
        Self {
            phase,
            message_count: None,
            compacted_count: None,
            token_count: None,
            previous_session_id: None,
            attributes: Vec::new(),
        }
    }

    /// # Errors
    /// Names the first field that does not fit [`limits`](crate::limits).
    pub fn validate(&self) -> Result<(), FieldError> {
        check_len("previous_session_id", self.previous_session_id.as_deref(), MAX_ID_BYTES)?;
        check_attributes("event", &self.attributes)
    }

    /// Drops the parts that do not fit [`limits`](crate::limits), and returns their names.
    pub fn fit(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        drop_if_long("previous_session_id", &mut self.previous_session_id, MAX_ID_BYTES, &mut dropped);
        fit_attributes("event", &mut self.attributes, &mut dropped);
        dropped
    }
}

/// An event of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each case is the type of its name")]
pub enum Event {
    Start(SessionStart),
    End(SessionEnd),
    Compaction(SessionCompaction),
}

impl Event {
    /// Returns the hook for the event.
    #[must_use]
    pub fn hook(&self) -> Hook {
        match self {
            Self::Start(_) => Hook::SessionStart,
            Self::End(_) => Hook::SessionEnd,
            Self::Compaction(_) => Hook::SessionCompaction,
        }
    }

    /// Returns the event's part of a delivery id. `n` counts a session's compactions, and is ignored for other events.
    #[must_use]
    pub fn key(&self, n: u32) -> EventKey {
        match self {
            Self::Start(_) => EventKey::Start,
            Self::End(_) => EventKey::End,
            Self::Compaction(c) => EventKey::Compaction { n, phase: c.phase },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_ATTRIBUTES;
    use proptest::prelude::*;

    #[test]
    fn too_many_attributes_are_refused_for_a_start_and_dropped_for_an_end() {
        let attributes: Attributes = (0..MAX_ATTRIBUTES + 3).map(|i| (format!("a{i}"), "v".to_owned())).collect();
        let start = SessionStart { attributes: attributes.clone(), ..SessionStart::default() };
        assert_eq!(start.validate().unwrap_err().code, "too_many_attributes");
        let mut end = SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(0));
        end.attributes = attributes;
        assert_eq!(end.fit().len(), 3);
        assert_eq!(end.attributes.len(), MAX_ATTRIBUTES);
    }

    #[test]
    fn what_an_owner_says_of_the_duration_counts_more_than_the_clock() {
        let end = SessionEnd::new(EndReason::Reset, Timestamp::from_millisecond(1_500));
        let started = Some(Timestamp::from_millisecond(1_000));
        assert_eq!(end.clone().since(started).duration_ms, Some(500));
        assert_eq!(end.clone().since(None).duration_ms, None);
        assert_eq!(SessionEnd { duration_ms: Some(7), ..end }.since(started).duration_ms, Some(7));
    }

    proptest! {
        #[test]
        fn an_end_always_fits_in_the_end(
            sizes in prop::collection::vec((0usize..300, 0usize..10_000), 0..100),
            word in 0usize..3_000,
        ) {
            let mut end = SessionEnd::new(EndReason::Other("x".repeat(word)), Timestamp::from_millisecond(0));
            end.raw_reason = Some("x".repeat(word));
            end.attributes = sizes.iter().map(|(n, v)| ("n".repeat(*n), "v".repeat(*v))).collect();
            let before = end.attributes.len();
            let dropped = end.fit();
            prop_assert!(check_attributes("event", &end.attributes).is_ok());
            let lost = before - end.attributes.len();
            prop_assert_eq!(dropped.iter().filter(|d| d.starts_with("event attribute")).count(), lost);
            prop_assert!(end.fit().is_empty(), "fitting twice changes nothing");
        }
    }
}
