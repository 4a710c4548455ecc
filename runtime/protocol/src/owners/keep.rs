//! The texts of a payload that are kept.
//!
//! Apart from [`format`](super::format), which names the functions that read payloads: those keep texts.

use crate::suggest;
use lastword_events::text::quoted;

/// The texts of a payload that become attributes of its event, and so reach the journal and every plugin.
#[derive(Clone, Copy)]
pub(super) struct Keep<'a> {
    /// What says nothing of what was talked about, and of no person.
    pub(super) always: &'static [&'static str],
    /// What was asked for besides.
    pub(super) also: &'a [&'static str],
}

impl<'a> Keep<'a> {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        let (always, also) = (self.always, self.also);
        always.iter().chain(also.iter().filter(move |name| !always.contains(*name))).copied()
    }
}

/// The name among these that `word` is, or a sentence with those that there are.
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
