use lastword_events::Owner;

use super::flat::Flat;
use super::keep::Keep;
use super::openclaw;
use super::payload::Payload;
use crate::fields::BadLine;
use crate::input::Input;

/// What is known of one owner's payloads.
pub(super) struct Format {
    pub(super) owner: Owner,
    /// The owner's name, for people.
    pub(super) name: &'static str,
    /// The version whose payloads were captured, or described.
    #[cfg_attr(not(test), expect(dead_code, reason = "the table in docs/owners.md is held against it"))]
    pub(super) seen: &'static str,
    pub(super) shape: Shape,
    /// Texts that become attributes.
    pub(super) keeps: &'static [&'static str],
    /// Texts that do so only when the configuration asks for them: prompts, summaries, messages, names and addresses.
    pub(super) keeps_on_request: &'static [&'static str],
}

pub(super) enum Shape {
    /// One object, or objects in one.
    Flat(&'static Flat),
    OpenClaw,
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
            Shape::OpenClaw => openclaw::read(payload.fields, payload.op_id, &keep),
        }
    }
}
