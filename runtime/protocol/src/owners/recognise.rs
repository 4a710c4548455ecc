//! Recognises the format of a payload, as far as possible.

use super::copilot;
use super::input_format::InputFormat;
use super::payload::Payload;
use crate::fields::Fields;
use crate::input::OPS;

/// The recognised format of a payload, and its certainty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recognised {
    pub(super) from: InputFormat,
    /// Its owner's name for the event, if it has one.
    pub(super) event: Option<String>,
    /// Whether no other owner writes like this. Claude Code's followers write alike, and only the folder of their
    /// transcripts distinguishes them. Without it the format is a guess.
    pub(super) certain: bool,
}

/// Folders in users' homes in which owners keep transcripts.
const FOLDERS: [(&str, InputFormat); 6] = [
    (".claude", InputFormat::ClaudeCode),
    (".codex", InputFormat::Codex),
    (".copilot", InputFormat::Copilot),
    (".cursor", InputFormat::Cursor),
    (".gemini", InputFormat::Gemini),
    (".qwen", InputFormat::Qwen),
];

/// Events that, among Claude Code's followers, only Gemini CLI has.
const GEMINIS: [&str; 8] = [
    "AfterAgent",
    "AfterModel",
    "AfterTool",
    "BeforeAgent",
    "BeforeModel",
    "BeforeTool",
    "BeforeToolSelection",
    "PreCompress",
];

/// Returns the payload's format. `None` if no known owner writes like this.
pub(super) fn recognise(payload: &Payload) -> Option<Recognised> {
    let Payload { event, fields, .. } = payload;
    let certain = |from, event: Option<&str>| Some(Recognised { from, event: event.map(str::to_owned), certain: true });
    let around = event.as_deref();
    if let Some(op) = fields.text("op")
        && OPS.contains(&op)
        && (fields.has("session") || op == "shutdown")
    {
        return certain(InputFormat::Lastword, Some(op));
    }
    if around.is_none() && fields.text("hook").is_some() && fields.has("event") {
        return certain(InputFormat::Openclaw, fields.text("hook"));
    }
    if fields.text("hookName").is_some() && fields.has("taskId") {
        return certain(InputFormat::Cline, fields.text("hookName"));
    }
    let hook = fields.text("hook_event_name");
    if hook.is_some() && (fields.has("cursor_version") || fields.has("conversation_id")) {
        return certain(InputFormat::Cursor, hook);
    }
    if hook.is_some() && fields.has("session_id") && fields.has("extra") {
        return certain(InputFormat::Hermes, hook);
    }
    if hook.is_none() && fields.text("event").is_some() && fields.has("session_id") {
        return certain(InputFormat::Goose, fields.text("event"));
    }
    if let Some(event) = around
        && (fields.has("sessionID") || event.starts_with("session.") || event == "dispose")
    {
        return certain(InputFormat::Opencode, around);
    }
    if hook.is_none() && fields.has("sessionId") && fields.has("timestamp") && fields.has("cwd") {
        return certain(InputFormat::Copilot, around.or_else(|| copilot::name_of(fields)));
    }
    claude_like(fields, hook?)
}

/// Recognises one of the owners that write like Claude Code.
fn claude_like(fields: &Fields, event: &str) -> Option<Recognised> {
    if !fields.has("session_id") || !event.starts_with(|first: char| first.is_ascii_uppercase()) {
        return None;
    }
    let event_name = Some(event.to_owned());
    let path = fields.text("transcript_path").unwrap_or_default();
    // The last one counts, because a home may be in any folder.
    let owners = path.rsplit(['/', '\\']).find_map(|name| FOLDERS.iter().find(|(folder, _)| *folder == name));
    if let Some((_, from)) = owners {
        return Some(Recognised { from: *from, event: event_name, certain: true });
    }
    let from = if GEMINIS.contains(&event) {
        InputFormat::Gemini
    } else if fields.has("timestamp") {
        if fields.has("permission_mode") { InputFormat::Qwen } else { InputFormat::Gemini }
    } else if fields.has("turn_id") || (fields.has("model") && fields.has("permission_mode")) {
        InputFormat::Codex
    } else {
        InputFormat::ClaudeCode
    };
    Some(Recognised { from, event: event_name, certain: false })
}
