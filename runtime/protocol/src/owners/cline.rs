//! What is known of the payloads of Cline.

use lastword_events::Owner;

use super::flat::{BEFORE, CLAUDE_LIKE, Flat, Means};
use super::format::{Format, Shape};

/// Cline. Its CLI has sessions with a turn for each prompt, and `agent_end` is the end of a turn. For its extension for editors
/// the task is the session, and the events have other names.
pub(super) static FORMAT: Format = Format {
    owner: Owner::Cline,
    seen: "3.0.65",
    shape: Shape::Flat(&Flat {
        event: &["hookName"],
        events: &[
            ("agent_start", Means::Start(None)),
            ("agent_resume", Means::Start(Some("resume"))),
            ("pre_compact", BEFORE),
            ("session_shutdown", Means::End(Some("session_shutdown"))),
            ("TaskStart", Means::Start(None)),
            ("TaskResume", Means::Start(Some("resume"))),
            ("PreCompact", BEFORE),
            ("TaskComplete", Means::End(Some("TaskComplete"))),
            ("TaskCancel", Means::End(Some("TaskCancel"))),
        ],
        of_sub_agent: &["parent_agent_id"],
        inner: &["sessionContext", "preCompact"],
        id: &["rootSessionId", "taskId"],
        cwd: &[],
        folders: &["workspaceRoots"],
        token_count: &["contextSize"],
        ..CLAUDE_LIKE
    }),
    keeps: &["clineVersion", "compactionStrategy", "taskId"],
    keeps_on_request: &["userId"],
};
