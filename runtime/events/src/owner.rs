//! The known owners, and their words for the reason of an end.

use crate::EndReason;

/// A program that owns sessions, and whose words its events use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// A program that speaks the stdio protocol itself.
    Lastword,
    /// The OpenClaw gateway.
    OpenClaw,
    /// Claude Code's command hooks.
    ClaudeCode,
    /// Gemini CLI's hooks.
    GeminiCli,
    /// Codex CLI's hooks.
    CodexCli,
    /// Copilot CLI's hooks.
    CopilotCli,
    /// Cursor's hooks.
    Cursor,
    /// Qwen Code's hooks.
    QwenCode,
    /// goose's hooks.
    Goose,
    /// Cline's hooks.
    Cline,
    /// opencode's plugins.
    OpenCode,
    /// Hermes Agent's plugins and shell hooks.
    Hermes,
}

impl Owner {
    /// Every owner.
    pub const ALL: [Self; 12] = [
        Self::Lastword,
        Self::OpenClaw,
        Self::ClaudeCode,
        Self::GeminiCli,
        Self::CodexCli,
        Self::CopilotCli,
        Self::Cursor,
        Self::QwenCode,
        Self::Goose,
        Self::Cline,
        Self::OpenCode,
        Self::Hermes,
    ];

    /// Returns the owner's name in `session.owner-kind`. `None` for an owner that speaks our protocol and sets the name
    /// itself.
    #[must_use]
    pub fn kind(self) -> Option<&'static str> {
        Some(match self {
            Self::Lastword => return None,
            Self::OpenClaw => "openclaw",
            Self::ClaudeCode => "claude-code",
            Self::GeminiCli => "gemini-cli",
            Self::CodexCli => "codex-cli",
            Self::CopilotCli => "copilot-cli",
            Self::Cursor => "cursor",
            Self::QwenCode => "qwen-code",
            Self::Goose => "goose",
            Self::Cline => "cline",
            Self::OpenCode => "opencode",
            Self::Hermes => "hermes-agent",
        })
    }

    /// Converts the owner's own word for the end of a session.
    ///
    /// The words are those of each owner's hooks as of November 2026. Any other word becomes [`EndReason::Other`],
    /// never an error, because owners add words without asking us.
    #[must_use]
    pub fn end_reason(self, word: &str) -> EndReason {
        use EndReason as R;
        let known: &[(&str, R)] = match self {
            Self::Lastword => return R::from_word(word),
            Self::OpenClaw => &[
                ("new", R::New),
                ("reset", R::Reset),
                ("idle", R::Idle),
                ("daily", R::Daily),
                ("compaction", R::Compaction),
                ("deleted", R::Deleted),
                ("shutdown", R::Shutdown),
                ("restart", R::Restart),
                ("unknown", R::Unknown),
            ],
            Self::ClaudeCode => {
                &[("clear", R::Clear), ("resume", R::Resume), ("logout", R::Logout), ("prompt_input_exit", R::UserExit)]
            }
            Self::GeminiCli => {
                &[("exit", R::UserExit), ("prompt_input_exit", R::UserExit), ("clear", R::Clear), ("logout", R::Logout)]
            }
            Self::CodexCli => &[("clear", R::Clear)],
            Self::CopilotCli => &[
                ("complete", R::Completed),
                ("error", R::Error),
                ("abort", R::Aborted),
                ("timeout", R::Timeout),
                ("user_exit", R::UserExit),
            ],
            Self::Cursor => &[
                ("completed", R::Completed),
                ("aborted", R::Aborted),
                ("error", R::Error),
                ("window_close", R::UserExit),
                ("user_close", R::UserExit),
            ],
            Self::QwenCode => &[("clear", R::Clear), ("logout", R::Logout), ("prompt_input_exit", R::UserExit)],
            // goose gives no reason.
            Self::Goose => &[],
            // The names of Cline's events: it gives no reason for most of them.
            Self::Cline => {
                &[("session_shutdown", R::Shutdown), ("TaskComplete", R::Completed), ("TaskCancel", R::Aborted)]
            }
            Self::OpenCode => &[("dispose", R::Shutdown), ("session.deleted", R::Deleted)],
            // Hermes' terminal and its gateway have different words for `/new`. `session_expired` matches no case of
            // ours: it does not tell whether the session was idle or the day was over.
            Self::Hermes => &[
                ("shutdown", R::Shutdown),
                ("session_boundary", R::New),
                ("new_session", R::New),
                ("compression", R::Compaction),
                ("completed", R::Completed),
                ("interrupted", R::Aborted),
            ],
        };
        known.iter().find(|(w, _)| *w == word).map_or_else(|| R::Other(word.to_owned()), |(_, r)| r.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EndReason as R;

    #[test]
    fn each_owners_words_mean_what_its_documentation_says() {
        let table = [
            (Owner::OpenClaw, "new", R::New),
            (Owner::OpenClaw, "shutdown", R::Shutdown),
            (Owner::OpenClaw, "daily", R::Daily),
            (Owner::OpenClaw, "clear", R::Other("clear".into())),
            (Owner::ClaudeCode, "prompt_input_exit", R::UserExit),
            (Owner::ClaudeCode, "clear", R::Clear),
            (Owner::ClaudeCode, "other", R::Other("other".into())),
            (Owner::GeminiCli, "exit", R::UserExit),
            (Owner::GeminiCli, "other", R::Other("other".into())),
            (Owner::CodexCli, "clear", R::Clear),
            (Owner::CopilotCli, "complete", R::Completed),
            (Owner::CopilotCli, "abort", R::Aborted),
            (Owner::CopilotCli, "user_exit", R::UserExit),
            (Owner::Cursor, "window_close", R::UserExit),
            (Owner::Cursor, "user_close", R::UserExit),
            (Owner::QwenCode, "prompt_input_exit", R::UserExit),
            (Owner::QwenCode, "bypass_permissions_disabled", R::Other("bypass_permissions_disabled".into())),
            (Owner::Goose, "any", R::Other("any".into())),
            (Owner::Cline, "session_shutdown", R::Shutdown),
            (Owner::Cline, "TaskCancel", R::Aborted),
            (Owner::OpenCode, "dispose", R::Shutdown),
            (Owner::OpenCode, "session.deleted", R::Deleted),
            (Owner::Hermes, "shutdown", R::Shutdown),
            (Owner::Hermes, "session_boundary", R::New),
            (Owner::Hermes, "new_session", R::New),
            (Owner::Hermes, "session_expired", R::Other("session_expired".into())),
            (Owner::Lastword, "user-exit", R::UserExit),
        ];
        for (owner, word, reason) in table {
            assert_eq!(owner.end_reason(word), reason, "{owner:?} says {word}");
        }
    }
}
