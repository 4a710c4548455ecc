//! The payloads of Copilot CLI.

use lastword_events::Owner;

use super::flat::{AFTER, BEFORE, CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns::Turns;
use crate::fields::Fields;

/// Copilot CLI. A hook that is configured as `sessionEnd` gets a payload without the event's name. A hook that is
/// configured as `SessionEnd` gets one like Claude Code's.
pub(super) static FORMAT: Format = Format {
    owner: Owner::CopilotCli,
    seen: "1.0.102",
    shape: Shape::Flat(&Flat {
        unnamed: name_of,
        events: &[
            ("sessionStart", SessionChange::Start(None)),
            ("sessionEnd", SessionChange::End(None)),
            ("preCompact", BEFORE),
            ("SessionStart", SessionChange::Start(None)),
            ("SessionEnd", SessionChange::End(None)),
            ("PreCompact", BEFORE),
            ("PostCompact", AFTER),
        ],
        id: &["sessionId", "session_id"],
        transcript: &["transcriptPath", "transcript_path"],
        ..CLAUDE_LIKE
    }),
    turns: Turns {
        opened_by: &[
            "userPromptSubmitted",
            "preToolUse",
            "postToolUse",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
        ],
        closed_by: &["agentStop", "Stop"],
    },
    keeps: &["model", "trigger"],
    keeps_on_request: &["customInstructions", "custom_instructions", "initialPrompt", "initial_prompt"],
};

/// The event of a payload with such a field, the most specific field first. All payloads have `sessionId`, `timestamp`
/// and `cwd`.
const TOLD_BY: [(&str, &str); 9] = [
    ("toolName", "a tool's event"),
    ("stopReason", "agentStop"),
    ("prompt", "userPromptSubmitted"),
    // Comes before the further fields that an end may have.
    ("reason", "sessionEnd"),
    ("error", "errorOccurred"),
    ("message", "notification"),
    ("trigger", "preCompact"),
    ("initialPrompt", "sessionStart"),
    ("source", "sessionStart"),
];

/// Returns the name of an event whose payload has none.
pub(super) fn name_of(payload: &Fields) -> Option<&'static str> {
    if !payload.has("sessionId") {
        return None;
    }
    let told = TOLD_BY.iter().find(|(field, _)| payload.has(field)).map(|(_, event)| *event);
    Some(told.unwrap_or("an event without a name"))
}
