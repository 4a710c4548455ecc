//! The events of an owner that show that its agent is at work.
//!
//! A death in an open turn is a crash. A death between two turns may be a user who closed a window.

/// The names of an owner's events that open and close a turn of its agent.
pub(super) struct Turns {
    /// Events that begin a turn, or that happen in one.
    pub(super) opened_by: &'static [&'static str],
    /// Events that end a turn.
    pub(super) closed_by: &'static [&'static str],
}

/// The names of Claude Code, and of the owners that adopted them.
pub(super) const CLAUDE_LIKE: Turns = Turns {
    opened_by: &[
        "UserPromptSubmit",
        "PreToolUse",
        "PostToolUse",
        "PostToolUseFailure",
        "PermissionRequest",
        "SubagentStart",
        "SubagentStop",
    ],
    closed_by: &["Stop", "StopFailure", "Interrupt"],
};

#[cfg(test)]
mod tests {
    use super::super::{InputFormat, format_of, turn_open_after};
    use super::*;
    use crate::input::{TURN_BEGINS, TURN_ENDS};

    #[test]
    fn a_turn_is_open_from_the_prompt_to_the_stop() {
        assert_eq!(turn_open_after("UserPromptSubmit"), Some(true));
        assert_eq!(turn_open_after("Stop"), Some(false));
        assert_eq!((turn_open_after(TURN_BEGINS), turn_open_after(TURN_ENDS)), (Some(true), Some(false)));
        assert_eq!(turn_open_after("Stop of a sub-agent"), None);
        assert_eq!(turn_open_after("Notification"), None);
    }

    #[test]
    fn every_owner_has_words_for_a_turn_and_none_that_closes_anothers() {
        for format in InputFormat::ALL.into_iter().filter_map(format_of) {
            let Turns { opened_by, closed_by } = format.turns;
            assert!(!opened_by.is_empty() && !closed_by.is_empty(), "{:?}", format.owner);
            assert!(opened_by.iter().all(|event| turn_open_after(event) == Some(true)), "{opened_by:?}");
            assert!(closed_by.iter().all(|event| turn_open_after(event) == Some(false)), "{closed_by:?}");
        }
    }
}
