//! The formats that input comes in: the protocol's own, and one for each owner.

/// The format of the input: the words that it is in.
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
    /// What Hermes Agent writes to its shell hooks' stdin, and what a plugin of it is told, in the same form.
    Hermes,
}

impl InputFormat {
    /// Every format.
    pub const ALL: [Self; 12] = [
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
        Self::Hermes,
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
            Self::Hermes => "hermes",
        }
    }

    /// The owner's name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lastword => "Lastword",
            Self::Openclaw => "OpenClaw",
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini",
            Self::Qwen => "Qwen Code",
            Self::Copilot => "Copilot",
            Self::Cursor => "Cursor",
            Self::Goose => "goose",
            Self::Cline => "Cline",
            Self::Opencode => "opencode",
            Self::Hermes => "Hermes Agent",
        }
    }

    /// Whether its payloads may be taken for others' of those who write as Claude Code does.
    pub(super) fn is_claude_like(self) -> bool {
        matches!(self, Self::ClaudeCode | Self::Codex | Self::Gemini | Self::Qwen | Self::Copilot)
    }
}
