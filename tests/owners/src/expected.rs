//! What has to come of each trial: the agent's own words where its hook is called, and Lastword's where it is not.
//!
//! Measured with the versions that `packages/` has. Without a hook's word the reason is `crashed` in a turn, and
//! `unknown` otherwise.

use crate::named::{Mode, Owner, Way};

/// What a trial has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The reason of the end. After [`Way::Clear`] it is that of the session that was cleared.
    pub reason: &'static str,
    /// The agent takes no notice, and has to be killed.
    pub stays: bool,
}

/// What comes of that trial.
#[must_use]
pub fn expected(owner: Owner, mode: Mode, way: Way) -> Expected {
    let stays = (owner, mode, way) == (Owner::Qwen, Mode::Terminal, Way::Interrupt);
    let lost = if mode == Mode::Headless && way != Way::Exit && way != Way::Resume { "crashed" } else { "unknown" };
    let reason = match way {
        Way::Kill => lost,
        Way::KillInATurn => "crashed",
        Way::Clear => after_clear(owner),
        _ if stays => lost,
        _ => own_word(owner, mode, way).unwrap_or(lost),
    };
    Expected { reason, stays }
}

/// What the agent's own hook says; none: it is not called.
fn own_word(owner: Owner, mode: Mode, way: Way) -> Option<&'static str> {
    let is_signal = matches!(way, Way::Interrupt | Way::Terminate | Way::HangUp);
    match (owner, mode) {
        (Owner::ClaudeCode, Mode::Headless) => Some("other"),
        (Owner::ClaudeCode, Mode::Terminal) if is_signal || way == Way::Closed => Some("other"),
        (Owner::ClaudeCode | Owner::Copilot, Mode::Terminal) => Some("user-exit"),
        (Owner::Codex, Mode::Headless) => (!matches!(way, Way::Terminate | Way::HangUp)).then_some("other"),
        (Owner::Codex, Mode::Terminal) => (!is_signal && way != Way::Closed).then_some("other"),
        (Owner::Gemini, _) => (way != Way::Closed).then_some("user-exit"),
        (Owner::Qwen, Mode::Headless) => None,
        (Owner::Qwen, Mode::Terminal) => Some("user-exit"),
        // Also after a signal, in the middle of a turn.
        (Owner::Copilot, Mode::Headless) => Some("completed"),
        // Its plugins are told the same when a workspace is loaded again, so Lastword's takes that for no end.
        (Owner::Opencode, _) => None,
    }
}

fn after_clear(owner: Owner) -> &'static str {
    match owner {
        // It says nothing of it, and ends the session when it leaves itself.
        Owner::Codex => "other",
        Owner::Copilot => "user-exit",
        _ => "clear",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_a_crash_only_in_a_turn() {
        for owner in [Owner::ClaudeCode, Owner::Opencode] {
            assert_eq!(expected(owner, Mode::Headless, Way::Kill).reason, "crashed");
            assert_eq!(expected(owner, Mode::Terminal, Way::Kill).reason, "unknown");
            assert_eq!(expected(owner, Mode::Terminal, Way::KillInATurn).reason, "crashed");
        }
    }

    #[test]
    fn the_ends_that_owners_lose_have_lastwords_reasons() {
        assert_eq!(expected(Owner::Qwen, Mode::Headless, Way::Exit).reason, "unknown");
        assert_eq!(expected(Owner::Opencode, Mode::Terminal, Way::Exit).reason, "unknown");
        assert_eq!(expected(Owner::Codex, Mode::Headless, Way::Terminate).reason, "crashed");
        assert_eq!(expected(Owner::Codex, Mode::Terminal, Way::Closed).reason, "unknown");
        assert_eq!(expected(Owner::Gemini, Mode::Terminal, Way::Closed).reason, "unknown");
        assert_eq!(expected(Owner::ClaudeCode, Mode::Terminal, Way::Closed).reason, "other");
        assert!(expected(Owner::Qwen, Mode::Terminal, Way::Interrupt).stays);
    }
}
