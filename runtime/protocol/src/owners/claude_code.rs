//! The payloads of Claude Code.

use lastword_events::Owner;

use super::flat::CLAUDE_LIKE;
use super::format::{Format, Shape};
use super::turns;

/// Claude Code's input for its command hooks, on their stdin. `agent_id` is in events inside a sub-agent, next to its
/// parent's session. `agent_type` alone is in a whole session's events when the session runs as an agent.
pub(super) static FORMAT: Format = Format {
    owner: Owner::ClaudeCode,
    seen: "2.1.332",
    shape: Shape::Flat(&CLAUDE_LIKE),
    turns: turns::CLAUDE_LIKE,
    keeps: &["agent_type", "model", "permission_mode", "prompt_id", "trigger"],
    keeps_on_request: &["compact_summary", "custom_instructions", "session_title"],
};
