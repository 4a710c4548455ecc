//! What owners say in their own words, read as requests of ours.
//!
//! Their payloads are their own: a field that is missing or of another type than expected is passed over, because an
//! owner's new version must not cost a session its end. Only a session without an id is refused.
//!
//! What becomes an attribute is listed for each owner: it reaches the journal and every plugin, so prompts, summaries, messages
//! and addresses are not among it.

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
mod keep;
mod openclaw;
mod opencode;
mod parts;
mod payload;
mod qwen;
mod recognise;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use foreign::Foreign;
use format::Format;
use payload::Payload;
use recognise::{Looks, recognise};

use crate::fields::{BadLine, Fields};
use crate::input::{self, Input};

/// Whose words the input is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum InputFormat {
    /// The protocol itself.
    Lastword,
    /// What OpenClaw calls a plugin's hooks with: lines of {"t":…,"hook":"session_end",…,"event":{…},"ctx":{…}}.
    Openclaw,
    /// What Claude Code writes to its command hooks' stdin, one payload a line.
    ClaudeCode,
    /// What Codex CLI writes to its hooks' stdin.
    Codex,
    /// What Gemini CLI writes to its hooks' stdin.
    Gemini,
    /// What Qwen Code writes to its hooks' stdin.
    Qwen,
    /// What Copilot CLI writes to its hooks' stdin, alone or as {"hook":"sessionEnd","payload":{…}}.
    Copilot,
    /// What Cursor writes to its hooks' stdin.
    Cursor,
    /// What goose writes to its hooks' stdin.
    Goose,
    /// What Cline writes to its hooks' stdin.
    Cline,
    /// What a plugin of opencode is told: {"hook":"session.created","payload":{…}} or {"type":…,"properties":{…}}.
    Opencode,
}

impl InputFormat {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::Lastword,
        Self::Openclaw,
        Self::ClaudeCode,
        Self::Codex,
        Self::Gemini,
        Self::Qwen,
        Self::Copilot,
        Self::Cursor,
        Self::Goose,
        Self::Cline,
        Self::Opencode,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lastword => "lastword",
            Self::Openclaw => "openclaw",
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
            Self::Cursor => "cursor",
            Self::Goose => "goose",
            Self::Cline => "cline",
            Self::Opencode => "opencode",
        }
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.format().map_or("Lastword", |format| format.name)
    }

    /// Reads one line, and keeps what is kept by default.
    ///
    /// # Errors
    /// When it cannot be carried out; the error names the field.
    pub fn read(self, line: &[u8]) -> Result<Input, BadLine> {
        InputSettings::from(self).read(line)
    }

    /// None for our own words.
    fn format(self) -> Option<&'static Format> {
        Some(match self {
            Self::Lastword => return None,
            Self::Openclaw => &openclaw::FORMAT,
            Self::ClaudeCode => &claude_code::FORMAT,
            Self::Codex => &codex::FORMAT,
            Self::Gemini => &gemini::FORMAT,
            Self::Qwen => &qwen::FORMAT,
            Self::Copilot => &copilot::FORMAT,
            Self::Cursor => &cursor::FORMAT,
            Self::Goose => &goose::FORMAT,
            Self::Cline => &cline::FORMAT,
            Self::Opencode => &opencode::FORMAT,
        })
    }

    /// Whether its payloads may be taken for others' of those who write as Claude Code does.
    fn is_claude_like(self) -> bool {
        matches!(self, Self::ClaudeCode | Self::Codex | Self::Gemini | Self::Qwen | Self::Copilot)
    }
}

/// Whose words the input is in, and what of them is kept.
#[derive(Clone, Debug)]
pub struct InputSettings {
    input_format: InputFormat,
    /// Beside what is kept by default.
    keep: Arc<[&'static str]>,
}

impl From<InputFormat> for InputSettings {
    fn from(input_format: InputFormat) -> Self {
        Self { input_format, keep: Arc::default() }
    }
}

impl InputSettings {
    /// The same, and these fields of the payloads are kept as attributes as well.
    ///
    /// # Errors
    /// What is wrong with each name that payloads of this owner do not have, beside its place in `names`.
    pub fn keeping<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, Vec<(usize, String)>> {
        let mut keep = self.keep.to_vec();
        let mut mistakes = Vec::new();
        for (place, name) in names.into_iter().enumerate() {
            match self.input_format.format() {
                Some(format) => match keep::find(name, format.name, format.keeps, format.keeps_on_request) {
                    Ok(name) => keep.push(name),
                    Err(mistake) => mistakes.push((place, mistake)),
                },
                None => mistakes.push((place, OWN_WORDS_KEEP_ALL.to_owned())),
            }
        }
        if mistakes.is_empty() { Ok(Self { keep: keep.into(), ..self }) } else { Err(mistakes) }
    }

    /// Reads one line.
    ///
    /// # Errors
    /// When it cannot be carried out; the error names the field.
    pub fn read(&self, line: &[u8]) -> Result<Input, BadLine> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(Input::Blank);
        }
        let fields = Fields::of_line(line)?;
        let left_out = fields.left_out();
        let mut input = match self.input_format.format() {
            Some(format) => self.read_owners(format, Payload::of(fields)),
            None => input::read(fields).or_else(|bad| {
                // Ours always have it.
                let looks = (bad.field.as_deref() == Some("op") && bad.code == "missing_field")
                    .then(|| recognise(&Payload::of(Fields::of_line(line).ok()?)));
                match looks.flatten() {
                    Some(looks) => Ok(foreign(looks).refused(bad).into()),
                    None => Err(bad),
                }
            }),
        }?;
        if let Input::Event(event) = &mut input {
            event.fit(&left_out);
        }
        Ok(input)
    }

    fn read_owners(&self, format: &Format, payload: Payload) -> Result<Input, BadLine> {
        let other = recognise(&payload)
            .filter(|looks| looks.from != self.input_format && (looks.certain || !self.input_format.is_claude_like()));
        match other {
            None => format.read(payload, &self.keep),
            // Somebody writes to us.
            Some(looks) if looks.from == InputFormat::Lastword => match format.read(payload, &self.keep) {
                Err(bad) => Ok(foreign(looks).refused(bad).into()),
                read => read,
            },
            Some(looks) => Ok(foreign(looks).into()),
        }
    }
}

/// Why `keep` has nothing to do.
const OWN_WORDS_KEEP_ALL: &str = "this is for owners' payloads, and without --from the input is in Lastword's own words, of \
                                  which every text is kept: name the owner with --from, or leave it out";

fn foreign(looks: Looks) -> Foreign {
    Foreign { from: looks.from, event: looks.event, error: None }
}

impl From<Foreign> for Input {
    fn from(foreign: Foreign) -> Self {
        Self::Foreign(Box::new(foreign))
    }
}
