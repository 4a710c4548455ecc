//! Whose words a payload is in, as far as it shows.

use super::payload::Payload;
use super::{Speaker, copilot};
use crate::fields::Fields;
use crate::input::OPS;

/// What a payload looks like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) from: Speaker,
    /// Its owner's name for the event, if it has one.
    pub(super) event: Option<String>,
    /// Whether nobody else writes so. Those who followed Claude Code write alike, and are told apart by where their transcripts
    /// are; without that it is a guess.
    pub(super) certain: bool,
}

/// Folders in users' homes in which owners keep transcripts.
const FOLDERS: [(&str, Speaker); 6] = [
    (".claude", Speaker::ClaudeCode),
    (".codex", Speaker::Codex),
    (".copilot", Speaker::Copilot),
    (".cursor", Speaker::Cursor),
    (".gemini", Speaker::Gemini),
    (".qwen", Speaker::Qwen),
];

/// Events that only Gemini CLI has, of those who write as Claude Code does.
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

/// Whose words these are; none for what nobody is known to write.
pub(super) fn recognise(payload: &Payload) -> Option<Looks> {
    let Payload { event, fields, .. } = payload;
    let certain = |from, event: Option<&str>| Some(Looks { from, event: event.map(str::to_owned), certain: true });
    let around = event.as_deref();
    if let Some(op) = fields.text("op")
        && OPS.contains(&op)
        && (fields.has("session") || op == "shutdown")
    {
        return certain(Speaker::Lastword, Some(op));
    }
    if around.is_none() && fields.text("hook").is_some() && fields.has("event") {
        return certain(Speaker::Openclaw, fields.text("hook"));
    }
    if fields.text("hookName").is_some() && fields.has("taskId") {
        return certain(Speaker::Cline, fields.text("hookName"));
    }
    let hook = fields.text("hook_event_name");
    if hook.is_some() && (fields.has("cursor_version") || fields.has("conversation_id")) {
        return certain(Speaker::Cursor, hook);
    }
    if hook.is_none() && fields.text("event").is_some() && fields.has("session_id") {
        return certain(Speaker::Goose, fields.text("event"));
    }
    if let Some(event) = around
        && (fields.has("sessionID") || event.starts_with("session.") || event == "dispose")
    {
        return certain(Speaker::Opencode, around);
    }
    if hook.is_none() && fields.has("sessionId") && fields.has("timestamp") && fields.has("cwd") {
        return certain(Speaker::Copilot, around.or_else(|| copilot::name_of(fields)));
    }
    claude_like(fields, hook?)
}

/// One of those who write as Claude Code does.
fn claude_like(fields: &Fields, event: &str) -> Option<Looks> {
    if !fields.has("session_id") || !event.starts_with(|first: char| first.is_ascii_uppercase()) {
        return None;
    }
    let event_name = Some(event.to_owned());
    let path = fields.text("transcript_path").unwrap_or_default();
    // The last one, as a home may lie anywhere.
    let owners = path.rsplit(['/', '\\']).find_map(|name| FOLDERS.iter().find(|(folder, _)| *folder == name));
    if let Some((_, from)) = owners {
        return Some(Looks { from: *from, event: event_name, certain: true });
    }
    let from = if GEMINIS.contains(&event) {
        Speaker::Gemini
    } else if fields.has("timestamp") {
        if fields.has("permission_mode") { Speaker::Qwen } else { Speaker::Gemini }
    } else if fields.has("turn_id") || (fields.has("model") && fields.has("permission_mode")) {
        Speaker::Codex
    } else {
        Speaker::ClaudeCode
    };
    Some(Looks { from, event: event_name, certain: false })
}
