//! The payloads of Cline.

use lastword_events::Owner;

use super::flat::{BEFORE, CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns::Turns;

/// Cline. Its CLI has sessions with a turn for each prompt, and `agent_end` is the end of a turn. In its editor
/// extension the task is the session, and the events have other names.
pub(super) static FORMAT: Format = Format {
    owner: Owner::Cline,
    seen: "3.0.65",
    shape: Shape::Flat(&Flat {
        event: &["hookName"],
        events: &[
            ("agent_start", SessionChange::Start(None)),
            ("agent_resume", SessionChange::Start(Some("resume"))),
            ("pre_compact", BEFORE),
            ("session_shutdown", SessionChange::End(Some("session_shutdown"))),
            ("TaskStart", SessionChange::Start(None)),
            ("TaskResume", SessionChange::Start(Some("resume"))),
            ("PreCompact", BEFORE),
            ("TaskComplete", SessionChange::End(Some("TaskComplete"))),
            ("TaskCancel", SessionChange::End(Some("TaskCancel"))),
        ],
        of_sub_agent: &["parent_agent_id"],
        inner: &["sessionContext", "preCompact"],
        id: &["rootSessionId", "taskId"],
        cwd: &[],
        folders: &["workspaceRoots"],
        token_count: &["contextSize"],
        ..CLAUDE_LIKE
    }),
    turns: Turns {
        opened_by: &["UserPromptSubmit", "PreToolUse", "PostToolUse", "TaskStart", "TaskResume"],
        closed_by: &["agent_end", "Stop"],
    },
    keeps: &["clineVersion", "compactionStrategy", "taskId"],
    keeps_on_request: &["userId"],
};
