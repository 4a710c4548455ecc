//! What has to come of each trial: the agent's own word where its hook is called, and Lastword's where it is not.
//!
//! Whether an agent's hook is called after a signal is chance, and changes with versions. So each end has two words, and
//! the trial shows which of them it has to be.

use crate::named::{Mode, Owner, Way};

/// What a trial has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The reason of the end when the agent's hook is called. None: what its hook says is not about a session.
    /// After [`Way::Clear`] it is that of the session that was cleared.
    pub own_word: Option<&'static str>,
    /// The reason when it is not.
    pub lost: &'static str,
    /// The agent takes no notice, and has to be killed.
    pub stays: bool,
}

/// What comes of that trial.
#[must_use]
pub fn expected(owner: Owner, mode: Mode, way: Way) -> Expected {
    let is_in_a_turn = match mode {
        Mode::Headless => !matches!(way, Way::Exit | Way::Resume),
        Mode::Terminal | Mode::Alone => way == Way::KillInATurn,
    };
    Expected {
        own_word: own_word(owner, mode, way),
        lost: if is_in_a_turn { "crashed" } else { "unknown" },
        stays: stays(owner, mode, way),
    }
}

fn stays(owner: Owner, mode: Mode, way: Way) -> bool {
    let is_signal = matches!(way, Way::Interrupt | Way::Terminate | Way::HangUp | Way::Kill | Way::KillInATurn);
    match (owner, mode) {
        (Owner::Qwen, Mode::Terminal) => way == Way::Interrupt,
        // Its sessions are those of a server, and go on there without a terminal. A signal is sent to the server.
        (Owner::Codex, Mode::Terminal) => !is_signal,
        _ => false,
    }
}

/// What the agent's own hook says when it is called.
fn own_word(owner: Owner, mode: Mode, way: Way) -> Option<&'static str> {
    let is_by_hand = !matches!(way, Way::Interrupt | Way::Terminate | Way::HangUp | Way::Closed);
    match owner {
        // Its plugins are told the same when a workspace is loaded again, so Lastword's takes that for no end.
        Owner::Opencode => None,
        _ if matches!(way, Way::Kill | Way::KillInATurn) => None,
        // It says nothing of a session that is cleared, and ends it when it leaves itself.
        Owner::Codex => Some("other"),
        Owner::ClaudeCode | Owner::Gemini | Owner::Qwen if way == Way::Clear => Some("clear"),
        Owner::ClaudeCode if mode != Mode::Headless && is_by_hand => Some("user-exit"),
        Owner::ClaudeCode => Some("other"),
        Owner::Gemini | Owner::Qwen => Some("user-exit"),
        // Also after a signal, in the middle of a turn.
        Owner::Copilot if mode == Mode::Headless => Some("completed"),
        Owner::Copilot => Some("user-exit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_a_crash_only_in_a_turn() {
        for owner in [Owner::ClaudeCode, Owner::Opencode] {
            let lost = |mode, way| {
                let expected = expected(owner, mode, way);
                assert_eq!(expected.own_word, None, "nobody has a word after that");
                expected.lost
            };
            assert_eq!(lost(Mode::Headless, Way::Kill), "crashed");
            assert_eq!(lost(Mode::Terminal, Way::Kill), "unknown");
            assert_eq!(lost(Mode::Terminal, Way::KillInATurn), "crashed");
        }
    }

    #[test]
    fn a_word_of_the_agents_own_is_expected_where_its_hook_is_called() {
        assert_eq!(expected(Owner::ClaudeCode, Mode::Terminal, Way::Exit).own_word, Some("user-exit"));
        assert_eq!(expected(Owner::ClaudeCode, Mode::Terminal, Way::Closed).own_word, Some("other"));
        assert_eq!(expected(Owner::ClaudeCode, Mode::Headless, Way::Exit).own_word, Some("other"));
        assert_eq!(expected(Owner::Gemini, Mode::Terminal, Way::Clear).own_word, Some("clear"));
        assert_eq!(expected(Owner::Opencode, Mode::Terminal, Way::Exit).own_word, None);
    }

    #[test]
    fn a_server_outlives_the_terminal_and_no_signal() {
        assert!(expected(Owner::Codex, Mode::Terminal, Way::Closed).stays);
        assert!(expected(Owner::Codex, Mode::Terminal, Way::Exit).stays);
        assert!(!expected(Owner::Codex, Mode::Terminal, Way::Terminate).stays);
        assert!(!expected(Owner::Codex, Mode::Alone, Way::Closed).stays);
        assert!(expected(Owner::Qwen, Mode::Terminal, Way::Interrupt).stays);
    }
}
