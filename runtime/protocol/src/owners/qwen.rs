//! The payloads of Qwen Code.

use lastword_events::Owner;

use super::flat::CLAUDE_LIKE;
use super::format::{Format, Shape};
use super::turns;

/// Qwen Code, which writes like Claude Code, with a time.
pub(super) static FORMAT: Format = Format {
    owner: Owner::QwenCode,
    seen: "0.24.4",
    shape: Shape::Flat(&CLAUDE_LIKE),
    turns: turns::CLAUDE_LIKE,
    keeps: &["agent_type", "model", "permission_mode", "prompt_id", "trigger"],
    keeps_on_request: &["compact_summary", "custom_instructions"],
};
