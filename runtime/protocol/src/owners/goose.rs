//! The payloads of goose.

use lastword_events::Owner;

use super::flat::{CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns;

/// goose. Its payloads have no reason for an end, and report no compaction.
pub(super) static FORMAT: Format = Format {
    owner: Owner::Goose,
    seen: "1.38",
    shape: Shape::Flat(&Flat {
        event: &["event"],
        events: &[("SessionStart", SessionChange::Start(None)), ("SessionEnd", SessionChange::End(None))],
        cwd: &["working_dir"],
        ..CLAUDE_LIKE
    }),
    turns: turns::CLAUDE_LIKE,
    keeps: &[],
    keeps_on_request: &[],
};
