//! The description of one owner's payloads.

use lastword_events::Owner;

use super::flat::Flat;
use super::keep::Keep;
use super::payload::Payload;
use super::turns::Turns;
use crate::bad_line::BadLine;
use crate::input::Input;

/// The description of one owner's payloads.
pub(super) struct Format {
    pub(super) owner: Owner,
    /// The version whose payloads were captured or documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "the table in docs/owners.md is held against it"))]
    pub(super) seen: &'static str,
    pub(super) shape: Shape,
    /// The events that open and close a turn of its agent.
    pub(super) turns: Turns,
    /// The texts that become attributes.
    pub(super) keeps: &'static [&'static str],
    /// The texts that become attributes only if the configuration names them: prompts, summaries, messages, names and
    /// addresses.
    pub(super) keeps_on_request: &'static [&'static str],
}

pub(super) enum Shape {
    /// One object, which may contain inner objects.
    Flat(&'static Flat),
    /// Another layout, with its own parser.
    Other(fn(Payload, &Keep<'_>) -> Result<Input, BadLine>),
}

impl Format {
    /// Parses a payload of this owner.
    ///
    /// # Errors
    /// When the payload does not name its event, or an event of a session's life has no session.
    pub(super) fn read(&self, payload: Payload, also: &[&'static str]) -> Result<Input, BadLine> {
        let keep = Keep { always: self.keeps, also };
        match &self.shape {
            Shape::Flat(flat) => flat.read(self.owner, payload, &keep),
            Shape::Other(read) => read(payload, &keep),
        }
    }
}
