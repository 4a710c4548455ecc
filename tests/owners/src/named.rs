//! The words for what a trial is: whose, where, and how it ends.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// An agent that is installed from npm, by the word that `lastword install` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// Claude Code
    ClaudeCode,
    /// Codex CLI
    Codex,
    /// Gemini CLI
    Gemini,
    /// Qwen Code
    Qwen,
    /// Copilot CLI
    Copilot,
    /// opencode
    Opencode,
}

/// Where the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// With a prompt on its command line, and without a terminal
    Headless,
    /// In a terminal, where prompts are typed
    Terminal,
    /// In a terminal, and without the server that else has the agent's sessions
    Alone,
}

/// What happens to the agent. A headless one is in its only turn then, and one in a terminal has had a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It leaves by itself, or is told to by its own command
    Exit,
    /// Ctrl-C is pressed until it leaves
    CtrlC,
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
    /// SIGHUP
    HangUp,
    /// Its terminal is closed
    Closed,
    /// SIGKILL
    Kill,
    /// SIGKILL, in its second turn
    KillInATurn,
    /// It leaves by itself, and its session is resumed by another process
    Resume,
    /// Its session is cleared, which begins another one; then it leaves
    Clear,
    /// Its session is compacted; then it leaves
    Compaction,
}

/// The word for one of these, as the command line and the files of results have it.
#[must_use]
pub fn word(value: impl ValueEnum + Copy) -> String {
    value.to_possible_value().map(|possible| possible.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_the_results_have_the_same_words() {
        let json = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for owner in Owner::value_variants() {
            assert_eq!(word(*owner), json(serde_json::to_value(owner).unwrap()));
        }
        for way in Way::value_variants() {
            assert_eq!(word(*way), json(serde_json::to_value(way).unwrap()));
        }
        assert_eq!((word(Owner::Opencode), word(Way::CtrlC)), ("opencode".to_owned(), "ctrl-c".to_owned()));
    }
}
