//! The payloads of Codex CLI.

use lastword_events::Owner;

use super::flat::CLAUDE_LIKE;
use super::format::{Format, Shape};
use super::turns;

/// Codex CLI, which writes like Claude Code. `/clear` starts another session, and the old one ends with the program.
pub(super) static FORMAT: Format = Format {
    owner: Owner::CodexCli,
    seen: "0.171.0",
    shape: Shape::Flat(&CLAUDE_LIKE),
    turns: turns::CLAUDE_LIKE,
    keeps: &["agent_type", "model", "permission_mode", "trigger", "turn_id"],
    keeps_on_request: &["custom_instructions"],
};
