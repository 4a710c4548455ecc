//! The payloads of Hermes Agent.

use lastword_events::Owner;

use super::flat::{CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns::Turns;
use crate::fields::Fields;

/// Hermes Agent: its shell hooks' input, which our plugin for it also writes. Most fields are in `extra`.
///
/// Its `on_session_end` is the end of a turn: each run of its loop sends one. `on_session_finalize` ends a session. A
/// job that runs a single turn sends no `on_session_finalize`, so its session ends with the turn.
pub(super) static FORMAT: Format = Format {
    owner: Owner::Hermes,
    seen: "0.19.0",
    shape: Shape::Flat(&Flat {
        events: &[
            ("on_session_start", SessionChange::Start(None)),
            // Sent after `/new`, with the new session: the old one was finalized.
            (RESET, SessionChange::Start(None)),
            (FINALIZED, SessionChange::End(None)),
            (TURN_ENDED, SessionChange::End(Some("completed"))),
        ],
        unless: is_no_change,
        of_sub_agent: &[],
        inner: &["extra"],
        source: &["source", "reason"],
        ..CLAUDE_LIKE
    }),
    turns: Turns { opened_by: &["pre_llm_call", "pre_tool_call", "post_tool_call"], closed_by: &[TURN_ENDED] },
    keeps: &["model", "platform"],
    keeps_on_request: &[],
};

const RESET: &str = "on_session_reset";
const FINALIZED: &str = "on_session_finalize";
const TURN_ENDED: &str = "on_session_end";

/// The platform of sub-agents, whose sessions have ids of their own.
const SUB_AGENT: &str = "subagent";

/// The platforms of jobs with a single turn: the scheduler, and the one that tidies up skills.
const OF_ONE_TURN: [&str; 2] = ["cron", "curator"];

fn is_no_change(event: &str, payload: &Fields) -> bool {
    let platform = payload.text_in("extra", "platform");
    match event {
        _ if platform == Some(SUB_AGENT) => true,
        TURN_ENDED => !platform.is_some_and(|platform| OF_ONE_TURN.contains(&platform)),
        // The user left before the first prompt, so there is no session.
        FINALIZED | RESET => !payload.has("session_id") || payload.text("session_id") == Some(""),
        _ => false,
    }
}
