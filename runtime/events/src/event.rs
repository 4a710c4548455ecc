use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::field::{check_len, drop_if_long};
use crate::limits::{
    MAX_ATTRIBUTE_NAME_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, MAX_ID_BYTES,
    MAX_KEY_BYTES,
};
use crate::{Delivery, EndReason, EventKey, FieldError, Session, Timestamp};

/// Names and values that the runtime does not interpret. In JSON a list of pairs, as in the WIT.
pub type Attributes = Vec<(String, String)>;

/// An export of a plugin that the runtime calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Optional.
    SessionStart,
    /// Required of every plugin.
    SessionEnd,
    /// Optional.
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

/// A session began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionStart {
    /// How it began, in the owner's word: `startup`, `resume`, ….
    pub source: Option<String>,
    /// Id of the session that this one continues.
    pub resumed_from: Option<String>,
    /// What else the owner said of the event.
    pub attributes: Attributes,
}

/// A session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// Why.
    pub reason: EndReason,
    /// The owner's own word for the reason.
    #[serde(default)]
    pub raw_reason: Option<String>,
    /// When.
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
    /// That session's key.
    #[serde(default)]
    pub next_session_key: Option<String>,
    /// What else the owner said of the event.
    #[serde(default)]
    pub attributes: Attributes,
}

/// A session is about to be compacted, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCompaction {
    /// Before or after.
    pub phase: CompactionPhase,
    /// Messages before the compaction.
    #[serde(default)]
    pub message_count: Option<u32>,
    /// Messages that it took away.
    #[serde(default)]
    pub compacted_count: Option<u32>,
    /// Tokens in the context.
    #[serde(default)]
    pub token_count: Option<u32>,
    /// The session that held the conversation before, when the owner changes the id.
    #[serde(default)]
    pub previous_session_id: Option<String>,
    /// What else the owner said of the event.
    #[serde(default)]
    pub attributes: Attributes,
}

/// Which side of a compaction.
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

impl SessionStart {
    /// # Errors
    /// Names the first field that does not fit [`limits`](crate::limits).
    pub fn validate(&self) -> Result<(), FieldError> {
        check_len("source", self.source.as_deref(), MAX_KEY_BYTES)?;
        check_len("resumed_from", self.resumed_from.as_deref(), MAX_ID_BYTES)?;
        check_attributes("event", &self.attributes)
    }

    /// Leaves out what does not fit [`limits`](crate::limits) and names it.
    pub fn fit(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        drop_if_long("source", &mut self.source, MAX_KEY_BYTES, &mut dropped);
        drop_if_long("resumed_from", &mut self.resumed_from, MAX_ID_BYTES, &mut dropped);
        fit_attributes("event", &mut self.attributes, &mut dropped);
        dropped
    }
}

impl SessionEnd {
    /// An end with a reason and a time, and nothing else known.
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

    /// Says how long a session ran that started then, unless somebody who knows has said so already.
    #[must_use]
    pub fn since(mut self, started_at: Option<Timestamp>) -> Self {
        self.duration_ms = self.duration_ms.or_else(|| Some(self.ended_at.millis_since(started_at?)));
        self
    }

    /// Leaves out what does not fit [`limits`](crate::limits) and names it: an end is never refused for its size.
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
    /// A compaction of which only the phase is known.
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

    /// Leaves out what does not fit [`limits`](crate::limits) and names it.
    pub fn fit(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        drop_if_long("previous_session_id", &mut self.previous_session_id, MAX_ID_BYTES, &mut dropped);
        fit_attributes("event", &mut self.attributes, &mut dropped);
        dropped
    }
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each case is the type of its name")]
pub enum Event {
    Start(SessionStart),
    End(SessionEnd),
    Compaction(SessionCompaction),
}

impl Event {
    /// The export that is told of it.
    #[must_use]
    pub fn hook(&self) -> Hook {
        match self {
            Self::Start(_) => Hook::SessionStart,
            Self::End(_) => Hook::SessionEnd,
            Self::Compaction(_) => Hook::SessionCompaction,
        }
    }

    /// The event's part of a delivery id; `n` counts a session's compactions and is ignored for the others.
    #[must_use]
    pub fn key(&self, n: u32) -> EventKey {
        match self {
            Self::Start(_) => EventKey::Start,
            Self::End(_) => EventKey::End,
            Self::Compaction(c) => EventKey::Compaction { n, phase: c.phase },
        }
    }
}

/// Everything that a guest is told in one call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// Whose event.
    pub session: Arc<Session>,
    /// Which attempt.
    pub delivery: Delivery,
    /// What happened.
    pub event: Arc<Event>,
}

/// Checks a list of attributes; `of` is `session` or `event`.
pub(crate) fn check_attributes(of: &str, attributes: &Attributes) -> Result<(), FieldError> {
    let error = |code, message: String| Err(FieldError::new(format!("{of} attributes"), code, message));
    if attributes.len() > MAX_ATTRIBUTES {
        let n = attributes.len();
        return error("too_many_attributes", format!("the {of} has {n} attributes; at most {MAX_ATTRIBUTES} are kept"));
    }
    for (name, value) in attributes {
        if !fits(name, value) {
            let shown: String = name.chars().take(MAX_ATTRIBUTE_NAME_BYTES).collect();
            return Err(FieldError::new(
                format!("{of} attribute {shown:?}"),
                "attribute_too_long",
                format!(
                    "attribute {shown:?} of the {of} is too long: a name has at most {MAX_ATTRIBUTE_NAME_BYTES} bytes, \
                     a value {MAX_ATTRIBUTE_VALUE_BYTES}"
                ),
            ));
        }
    }
    let total: usize = attributes.iter().map(size).sum();
    if total > MAX_ATTRIBUTES_BYTES {
        return error(
            "attributes_too_long",
            format!("the {of}'s attributes have {total} bytes together; at most {MAX_ATTRIBUTES_BYTES} are kept"),
        );
    }
    Ok(())
}

/// Leaves out the attributes that do not fit, the first ones being kept, and names them in `dropped`.
pub(crate) fn fit_attributes(of: &str, attributes: &mut Attributes, dropped: &mut Vec<String>) {
    let (mut count, mut total) = (0, 0);
    attributes.retain(|attribute| {
        let keep = fits(&attribute.0, &attribute.1)
            && count < MAX_ATTRIBUTES
            && total + size(attribute) <= MAX_ATTRIBUTES_BYTES;
        if keep {
            count += 1;
            total += size(attribute);
        } else {
            let shown: String = attribute.0.chars().take(MAX_ATTRIBUTE_NAME_BYTES).collect();
            dropped.push(format!("{of} attribute {shown:?}"));
        }
        keep
    });
}

fn fits(name: &str, value: &str) -> bool {
    name.len() <= MAX_ATTRIBUTE_NAME_BYTES && value.len() <= MAX_ATTRIBUTE_VALUE_BYTES
}

fn size((name, value): &(String, String)) -> usize {
    name.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;
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
