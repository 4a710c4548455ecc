//! Reads the payloads of owners in their own formats.
//!
//! A field that is missing or of another type than expected is ignored, because a new version of an owner must not cost
//! a session its end. Only a session without an id is refused.
//!
//! Each owner has a list of fields that become attributes. Attributes reach the journal and every plugin, so prompts,
//! summaries, messages and addresses are not in the list: a user adds them with `keep`.

mod claude_code;
mod cline;
mod codex;
mod copilot;
mod cursor;
mod flat;
mod foreign;
mod format;
mod gemini;
mod goose;
mod hermes;
mod input_format;
mod keep;
mod openclaw;
mod opencode;
mod parts;
mod payload;
mod qwen;
mod recognise;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;

pub use foreign::Foreign;
use format::Format;
pub use input_format::InputFormat;
use payload::Payload;
use recognise::{Recognised, recognise};

use crate::bad_line::BadLine;
use crate::fields::Fields;
use crate::input::{self, Input, TURN_BEGINS, TURN_ENDS};

/// The format of the input, and the fields of its payloads that are kept.
#[derive(Clone, Debug)]
pub struct InputSettings {
    input_format: InputFormat,
    /// Fields that are kept in addition to the defaults.
    keep: Arc<[&'static str]>,
}

impl From<InputFormat> for InputSettings {
    fn from(input_format: InputFormat) -> Self {
        Self { input_format, keep: Arc::default() }
    }
}

impl InputSettings {
    /// Also keeps these fields of the payloads as attributes.
    ///
    /// # Errors
    /// The position in `names` and the error of each name that payloads of this owner do not have.
    pub fn keeping<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, Vec<(usize, String)>> {
        let mut keep = self.keep.to_vec();
        let mut mistakes = Vec::new();
        for (place, name) in names.into_iter().enumerate() {
            match format_of(self.input_format) {
                Some(format) => match keep::find(name, self.input_format.name(), format.keeps, format.keeps_on_request)
                {
                    Ok(name) => keep.push(name),
                    Err(mistake) => mistakes.push((place, mistake)),
                },
                None => mistakes.push((place, OWN_WORDS_KEEP_ALL.to_owned())),
            }
        }
        if mistakes.is_empty() { Ok(Self { keep: keep.into(), ..self }) } else { Err(mistakes) }
    }

    /// The format of the input.
    #[must_use]
    pub fn format(&self) -> InputFormat {
        self.input_format
    }

    /// Reads one line.
    ///
    /// # Errors
    /// When it cannot be carried out; the error names the field.
    pub fn read(&self, line: &[u8]) -> Result<Input, BadLine> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Input::Blank);
        }
        let mut fields = Fields::of_line(line)?;
        let dropped = fields.dropped();
        let trace = fields.trace_if();
        let mut input = match format_of(self.input_format) {
            Some(format) => self.read_owners(format, Payload::of(fields)),
            None => input::read(fields).or_else(|bad| {
                // A line of the Lastword protocol always has `op`.
                let recognised = (bad.field.as_deref() == Some("op") && bad.code == "missing_field")
                    .then(|| recognise(&Payload::of(Fields::of_line(line).ok()?)));
                match recognised.flatten() {
                    Some(recognised) => Ok(foreign(recognised).refused(bad).into()),
                    None => Err(bad),
                }
            }),
        }?;
        if let Input::Event(event) = &mut input {
            event.part_of(trace);
            event.fit(&dropped);
        }
        Ok(input)
    }

    fn read_owners(&self, format: &Format, payload: Payload) -> Result<Input, BadLine> {
        let other = recognise(&payload).filter(|recognised| {
            recognised.from != self.input_format && (recognised.certain || !self.input_format.is_claude_like())
        });
        match other {
            None => format.read(payload, &self.keep),
            // The line is in the Lastword protocol.
            Some(recognised) if recognised.from == InputFormat::Lastword => match format.read(payload, &self.keep) {
                Err(bad) => Ok(foreign(recognised).refused(bad).into()),
                read => read,
            },
            Some(recognised) => Ok(foreign(recognised).into()),
        }
    }
}

/// Whether an agent's turn is open after an event of this name. `None`: the name does not tell. The owner does not
/// matter, because no name opens a turn of one owner and closes one of another.
#[must_use]
pub fn turn_open_after(event: &str) -> Option<bool> {
    let mut turns = InputFormat::ALL.into_iter().filter_map(format_of).map(|format| &format.turns);
    if event == TURN_ENDS || turns.clone().any(|turns| turns.closed_by.contains(&event)) {
        return Some(false);
    }
    (event == TURN_BEGINS || turns.any(|turns| turns.opened_by.contains(&event))).then_some(true)
}

/// Returns the description of a format. `None` for the protocol itself.
fn format_of(input_format: InputFormat) -> Option<&'static Format> {
    Some(match input_format {
        InputFormat::Lastword => return None,
        InputFormat::Openclaw => &openclaw::FORMAT,
        InputFormat::ClaudeCode => &claude_code::FORMAT,
        InputFormat::Codex => &codex::FORMAT,
        InputFormat::Gemini => &gemini::FORMAT,
        InputFormat::Qwen => &qwen::FORMAT,
        InputFormat::Copilot => &copilot::FORMAT,
        InputFormat::Cursor => &cursor::FORMAT,
        InputFormat::Goose => &goose::FORMAT,
        InputFormat::Cline => &cline::FORMAT,
        InputFormat::Opencode => &opencode::FORMAT,
        InputFormat::Hermes => &hermes::FORMAT,
    })
}

/// Why `keep` has no effect.
const OWN_WORDS_KEEP_ALL: &str = "this is for owners' payloads, and without --from the input is in Lastword's own words, of \
                                  which every text is kept: name the owner with --from, or leave it out";

fn foreign(recognised: Recognised) -> Foreign {
    Foreign { from: recognised.from, event: recognised.event, error: None }
}

impl From<Foreign> for Input {
    fn from(foreign: Foreign) -> Self {
        Self::Foreign(Box::new(foreign))
    }
}
