//! The settings for each owner's hook payloads.

use lastword::events::Owner;
use lastword_protocol::owners::{InputFormat, InputSettings};

/// The settings for each owner's hook payloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    set: Vec<InputSettings>,
}

impl Inputs {
    /// Replaces the settings of that format.
    pub(crate) fn set(&mut self, input: InputSettings) {
        self.set.retain(|other| other.format() != input.format());
        self.set.push(input);
    }

    /// Returns the settings of a format, or its defaults.
    pub(crate) fn of(&self, format: InputFormat) -> InputSettings {
        let set = self.set.iter().find(|input| input.format() == format);
        set.cloned().unwrap_or_else(|| format.into())
    }

    /// Returns the settings of an owner's kind: the word for `--from`, or the one in `session.owner-kind`.
    pub(crate) fn of_kind(&self, kind: &str) -> Option<InputSettings> {
        let is_of_kind = |format: &InputFormat| format.as_str() == kind || owner_kind(*format) == Some(kind);
        InputFormat::ALL.into_iter().find(is_of_kind).map(|format| self.of(format))
    }
}

/// Returns the kind that plugins see for this format. `None` for the protocol itself.
pub(crate) fn owner_kind(format: InputFormat) -> Option<&'static str> {
    let owner = match format {
        InputFormat::Lastword => Owner::Lastword,
        InputFormat::Openclaw => Owner::OpenClaw,
        InputFormat::ClaudeCode => Owner::ClaudeCode,
        InputFormat::Codex => Owner::CodexCli,
        InputFormat::Gemini => Owner::GeminiCli,
        InputFormat::Qwen => Owner::QwenCode,
        InputFormat::Copilot => Owner::CopilotCli,
        InputFormat::Cursor => Owner::Cursor,
        InputFormat::Goose => Owner::Goose,
        InputFormat::Cline => Owner::Cline,
        InputFormat::Opencode => Owner::OpenCode,
        InputFormat::Hermes => Owner::Hermes,
    };
    owner.kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_owner_that_plugins_are_told_has_a_format() {
        let inputs = Inputs::default();
        for owner in Owner::ALL {
            let Some(kind) = owner.kind() else { continue };
            let format = inputs.of_kind(kind).unwrap().format();
            assert_eq!(owner_kind(format), Some(kind));
        }
        for format in InputFormat::ALL {
            assert_eq!(inputs.of_kind(format.as_str()).unwrap().format(), format);
        }
        assert!(inputs.of_kind("no-such-owner").is_none());
    }

    #[test]
    fn what_is_set_for_one_format_is_for_that_one() {
        let mut inputs = Inputs::default();
        let keeping = InputSettings::from(InputFormat::ClaudeCode).keeping(["session_title"]).unwrap();
        inputs.set(keeping);
        let payload = br#"{"hook_event_name":"SessionStart","session_id":"s","session_title":"t"}"#;
        let read = |kind: &str| format!("{:?}", inputs.of_kind(kind).unwrap().read(payload));
        assert!(read("claude-code").contains("session_title") && !read("qwen").contains("session_title"));
    }
}
