//! What is known of one owner's payloads.

use lastword_events::Owner;

use super::flat::Flat;
use super::keep::Keep;
use super::payload::Payload;
use super::turns::Turns;
use crate::bad_line::BadLine;
use crate::input::Input;

/// What is known of one owner's payloads.
pub(super) struct Format {
    pub(super) owner: Owner,
    /// The version whose payloads were captured, or described.
    #[cfg_attr(not(test), expect(dead_code, reason = "the table in docs/owners.md is held against it"))]
    pub(super) seen: &'static str,
    pub(super) shape: Shape,
    /// The events that open and close a turn of its agent.
    pub(super) turns: Turns,
    /// Texts that become attributes.
    pub(super) keeps: &'static [&'static str],
    /// Texts that do so only when the configuration asks for them: prompts, summaries, messages, names and addresses.
    pub(super) keeps_on_request: &'static [&'static str],
}

pub(super) enum Shape {
    /// One object, or objects in one.
    Flat(&'static Flat),
    /// Something else, with a function that reads it.
    Other(fn(Payload, &Keep<'_>) -> Result<Input, BadLine>),
}

impl Format {
    /// Reads a payload in this owner's words.
    ///
    /// # Errors
    /// When it does not say which event it is, or whose an event of a session's life is.
    pub(super) fn read(&self, payload: Payload, also: &[&'static str]) -> Result<Input, BadLine> {
        let keep = Keep { always: self.keeps, also };
        match &self.shape {
            Shape::Flat(flat) => flat.read(self.owner, payload, &keep),
            Shape::Other(read) => read(payload, &keep),
        }
    }
}
