//! The texts of a payload that are kept.
//!
//! Separate from [`format`](super::format), which names the parsers of payloads: those keep texts.

use crate::suggest;
use lastword_events::text::quoted;

/// The texts of a payload that become attributes, which reach the journal and every plugin.
#[derive(Clone, Copy)]
pub(super) struct Keep<'a> {
    /// Texts that reveal nothing of the conversation and of any person.
    pub(super) always: &'static [&'static str],
    /// Texts that the configuration asks for in addition.
    pub(super) also: &'a [&'static str],
}

impl<'a> Keep<'a> {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        let (always, also) = (self.always, self.also);
        always.iter().chain(also.iter().filter(move |name| !always.contains(*name))).copied()
    }
}

/// Returns the known name that equals `word`, or a sentence with the known names.
pub(super) fn find(
    word: &str,
    owner: &str,
    always: &'static [&'static str],
    on_request: &'static [&'static str],
) -> Result<&'static str, String> {
    if let Some(name) = always.iter().chain(on_request).find(|name| **name == word) {
        return Ok(name);
    }
    if on_request.is_empty() {
        return Err(format!("{owner}'s payloads have nothing more to keep: leave {} out", quoted(word)));
    }
    Err(format!("{} is no field that {owner}'s payloads can keep: {}", quoted(word), suggest::hint(word, on_request)))
}
