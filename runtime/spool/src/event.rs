//! An event on its way to a daemon.

use lastword_events::text::clip_chars;
use lastword_process::Process;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_TEXT_CHARS;
use crate::stamp::{Stamp, wall_ms};

/// An event on its way to a daemon: a hook's payload as its owner wrote it, and what the hook knew beside it. Nothing
/// of the hook's environment is among it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpooledEvent {
    /// Whose payload it is: a word for `--from`, e.g. `claude-code`.
    pub owner: String,
    /// The owner's name for the event, where the payload does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What no other event has: the text of its [`Stamp`]. An event that was handed over before has the same one.
    pub op_id: String,
    /// The agent's process, as far as the hook could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// When it came, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Why no daemon takes it. Only what is kept for people has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What the owner wrote.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

impl SpooledEvent {
    /// An event that comes now. The other fields are for who knows more of it.
    #[must_use]
    pub fn new(owner: &str, stamp: &Stamp, payload: Vec<u8>) -> Self {
        Self {
            owner: clipped(owner),
            event: None,
            op_id: stamp.to_string(),
            process: None,
            wall_ms: wall_ms(),
            refused: None,
            payload,
        }
    }

    /// With the owner's name for the event.
    #[must_use]
    pub fn named(self, event: Option<&str>) -> Self {
        Self { event: event.map(clipped), ..self }
    }

    /// With the reason why no daemon takes it.
    #[must_use]
    pub fn refused_for(self, why: &str) -> Self {
        Self { refused: Some(clipped(why)), ..self }
    }
}

fn clipped(text: &str) -> String {
    clip_chars(text, MAX_TEXT_CHARS).into_owned()
}
