//! The payloads of Gemini CLI.

use lastword_events::Owner;

use super::flat::{BEFORE, CLAUDE_LIKE, Flat, SessionChange};
use super::format::{Format, Shape};
use super::turns::Turns;

/// Gemini CLI. It sends `PreCompress` before every turn, whether or not a compression follows. Only one that a person
/// asked for is a compaction.
pub(super) static FORMAT: Format = Format {
    owner: Owner::GeminiCli,
    seen: "0.61.0",
    shape: Shape::Flat(&Flat {
        events: &[
            ("SessionStart", SessionChange::Start(None)),
            ("SessionEnd", SessionChange::End(None)),
            (COMPRESSES, BEFORE),
        ],
        unless: |event, payload| event == COMPRESSES && payload.text("trigger") != Some("manual"),
        ..CLAUDE_LIKE
    }),
    turns: Turns {
        opened_by: &["BeforeAgent", "BeforeModel", "AfterModel", "BeforeTool", "AfterTool"],
        closed_by: &["AfterAgent"],
    },
    keeps: &["model", "trigger"],
    keeps_on_request: &[],
};

const COMPRESSES: &str = "PreCompress";
