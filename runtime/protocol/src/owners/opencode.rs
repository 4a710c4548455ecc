//! The payloads of opencode.

use lastword_events::Owner;

use super::flat::{AFTER, BEFORE, CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns::Turns;

/// opencode, as our plugin for it hands events on. `dispose` names no session, so the plugin adds the ids that it has
/// seen. A session with a `parentID` is a sub-agent's.
pub(super) static FORMAT: Format = Format {
    owner: Owner::OpenCode,
    seen: "1.18.33",
    shape: Shape::Flat(&Flat {
        event: &[],
        events: &[
            ("session.created", SessionChange::Start(None)),
            ("session.deleted", SessionChange::End(Some("session.deleted"))),
            (DISPOSES, SessionChange::End(Some(DISPOSES))),
            ("compacting", BEFORE),
            ("experimental.session.compacting", BEFORE),
            ("session.compacted", AFTER),
        ],
        unless: |event, payload| event == DISPOSES && !payload.has("sessionID"),
        of_sub_agent: &["parentID"],
        parent: &["parentID"],
        inner: &["info"],
        id: &["sessionID", "id"],
        cwd: &["directory"],
        ..CLAUDE_LIKE
    }),
    turns: Turns { opened_by: &["chat.message", "tool.execute.before"], closed_by: &["session.idle"] },
    keeps: &["projectID", "version"],
    keeps_on_request: &["slug", "title"],
};

const DISPOSES: &str = "dispose";
