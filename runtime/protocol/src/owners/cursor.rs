//! The payloads of Cursor.

use lastword_events::Owner;

use super::flat::{BEFORE, CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns::Turns;

/// Cursor, editor and CLI.
pub(super) static FORMAT: Format = Format {
    owner: Owner::Cursor,
    seen: "3.13",
    shape: Shape::Flat(&Flat {
        events: &[
            ("sessionStart", SessionChange::Start(None)),
            ("sessionEnd", SessionChange::End(None)),
            ("preCompact", BEFORE),
        ],
        of_sub_agent: &["agent_id", "parent_conversation_id", "subagent_id"],
        parent: &["parent_conversation_id"],
        id: &["session_id", "conversation_id"],
        folders: &["workspace_roots"],
        duration_ms: &["duration_ms"],
        message_count: &["message_count"],
        compacted_count: &["messages_to_compact"],
        token_count: &["context_tokens"],
        ..CLAUDE_LIKE
    }),
    turns: Turns { opened_by: &["beforeSubmitPrompt", "preToolUse", "postToolUse"], closed_by: &["stop"] },
    keeps: &["composer_mode", "cursor_version", "final_status", "generation_id", "model", "model_id", "trigger"],
    keeps_on_request: &["error_message", "user_email"],
};
