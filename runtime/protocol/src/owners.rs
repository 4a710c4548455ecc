//! What owners say in their own words, read as requests of ours.
//!
//! Their payloads are their own: a field that is missing or of another type than expected is passed over, because an
//! owner's new version must not cost a session its end. Only a session without an id is refused.

mod claude_code;
mod openclaw;

use lastword_events::Attributes;
use lastword_events::limits::{
    MAX_ATTRIBUTE_NAME_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES,
};

use crate::fields::{BadLine, Fields};
use crate::input::{self, Input};

/// Whose words the input is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Speaker {
    /// The protocol itself.
    Lastword,
    /// What OpenClaw calls a plugin's hooks with: lines of {"t":…,"hook":"session_end",…,"event":{…},"ctx":{…}}.
    Openclaw,
    /// What Claude Code writes to its command hooks' stdin, one payload a line.
    ClaudeCode,
}

impl Speaker {
    /// Reads one line.
    ///
    /// # Errors
    /// When it cannot be carried out; the error names the field.
    pub fn read(self, line: &[u8]) -> Result<Input, BadLine> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Input::Blank);
        }
        self.read_fields(Fields::of_line(line)?)
    }

    fn read_fields(self, line: Fields) -> Result<Input, BadLine> {
        let left_out = line.left_out();
        let mut input = match self {
            Self::Lastword => input::read(line),
            Self::Openclaw => openclaw::read(line),
            Self::ClaudeCode => claude_code::read(line),
        }?;
        if let Input::Event(event) = &mut input {
            event.fit(&left_out);
        }
        Ok(input)
    }
}

/// The strings that are left of an owner's payload, as far as they fit.
///
/// An owner does not know that we keep them, so one that is too long (a whole summary, say) is no reason to refuse the
/// event.
fn spare_attributes(sources: impl IntoIterator<Item = Fields>) -> Attributes {
    let mut kept = Attributes::new();
    let mut total = 0;
    for (name, value) in sources.into_iter().flat_map(Fields::attributes) {
        let size = name.len() + value.len();
        let fits = name.len() <= MAX_ATTRIBUTE_NAME_BYTES
            && value.len() <= MAX_ATTRIBUTE_VALUE_BYTES
            && kept.len() < MAX_ATTRIBUTES
            && total + size <= MAX_ATTRIBUTES_BYTES;
        if fits && kept.iter().all(|(other, _)| *other != name) {
            total += size;
            kept.push((name, value));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_owner_adds_never_makes_an_event_too_large() {
        let long = "x".repeat(MAX_ATTRIBUTE_VALUE_BYTES + 1);
        let fields = |text: String| Fields::of_line(text.as_bytes()).unwrap();
        let event = fields(format!(r#"{{"summary":"{long}","model":"m","n":1}}"#));
        let ctx = fields(r#"{"model":"other","channel":"c"}"#.to_owned());
        assert_eq!(spare_attributes([event, ctx]), [("model".into(), "m".into()), ("channel".into(), "c".into())]);
    }
}
