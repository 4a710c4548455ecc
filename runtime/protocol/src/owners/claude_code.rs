//! What is known of the payloads of Claude Code.

use lastword_events::Owner;

use super::flat::CLAUDE_LIKE;
use super::format::{Format, Shape};
use super::turns;

/// What Claude Code writes to its command hooks' stdin. `agent_id` is in what happens inside a sub-agent, beside the session of
/// its parent; `agent_type` alone is in a whole session's events when it runs as an agent.
pub(super) static FORMAT: Format = Format {
    owner: Owner::ClaudeCode,
    seen: "2.1.332",
    shape: Shape::Flat(&CLAUDE_LIKE),
    turns: turns::CLAUDE_LIKE,
    keeps: &["agent_type", "model", "permission_mode", "prompt_id", "trigger"],
    keeps_on_request: &["compact_summary", "custom_instructions", "session_title"],
};
