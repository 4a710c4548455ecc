//! Which of an owner's events say that its agent is at work.
//!
//! A death in an open turn is a crash; one between two turns may be somebody who closed a window.

use lastword_protocol::input::{TURN_BEGINS, TURN_ENDS};

/// Events with which a turn begins, or which happen in one.
const OPEN: [&str; 25] = [
    // Our own words.
    TURN_BEGINS,
    // Claude Code, and Codex, Qwen Code, goose and Cline, which name theirs alike.
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionRequest",
    "SubagentStart",
    "SubagentStop",
    "TaskStart",
    "TaskResume",
    // Gemini CLI.
    "BeforeAgent",
    "BeforeModel",
    "AfterModel",
    "BeforeTool",
    "AfterTool",
    // Copilot CLI and Cursor.
    "userPromptSubmitted",
    "preToolUse",
    "postToolUse",
    "beforeSubmitPrompt",
    // opencode.
    "chat.message",
    "tool.execute.before",
    // OpenClaw.
    "before_agent_start",
    // Hermes Agent.
    "pre_llm_call",
    "pre_tool_call",
    "post_tool_call",
];

/// Events with which a turn ends.
const CLOSED: [&str; 10] = [
    TURN_ENDS,
    "Stop",
    "StopFailure",
    "Interrupt",
    "AfterAgent",
    "agentStop",
    "stop",
    "session.idle",
    "agent_end",
    // Hermes Agent's word for the end of a turn.
    "on_session_end",
];

/// Whether a turn is open after an event of this name; none: it says nothing of that.
pub(super) fn turn_open_after(event: &str) -> Option<bool> {
    if CLOSED.contains(&event) {
        return Some(false);
    }
    OPEN.contains(&event).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_open_from_the_prompt_to_the_stop() {
        assert_eq!(turn_open_after("UserPromptSubmit"), Some(true));
        assert_eq!(turn_open_after("Stop"), Some(false));
        assert_eq!((turn_open_after(TURN_BEGINS), turn_open_after(TURN_ENDS)), (Some(true), Some(false)));
        assert_eq!(turn_open_after("Stop of a sub-agent"), None);
        assert_eq!(turn_open_after("Notification"), None);
        assert!(OPEN.iter().all(|event| !CLOSED.contains(event)));
    }
}
