//! Files that are ours alone. They are written and deleted as a whole.

use std::path::{Path, PathBuf};

use lastword_protocol::owners::InputFormat;
use serde_json::{Value, json};

use super::hook_command::{HookCommand, is_ours, program_of};
use super::recipe::{CLINE, COPILOT, GOOSE};

/// The plugin for opencode. Two constants in it are filled in.
const PLUGIN: &str = include_str!("opencode.js");
/// The first line of the plugin, which identifies it.
const PLUGIN_MARK: &str = "// Lastword's plugin for opencode,";
/// The plugin for Hermes Agent, which consists of two files.
const HERMES: &str = include_str!("hermes/plugin.py");
const HERMES_MANIFEST: &str = include_str!("hermes/plugin.yaml");
const HERMES_MARK: &str = "# Lastword's plugin for Hermes Agent,";
/// The plugin's name in Hermes' configuration.
pub(super) const HERMES_PLUGIN: &str = "lastword";
/// The first lines of a script.
const SCRIPT: &str = "#!/bin/sh\nexec ";

/// A file of ours.
pub(super) struct OwnFile {
    pub(super) path: PathBuf,
    pub(super) content: String,
    pub(super) is_executable: bool,
}

/// Returns the files for an owner. `place` is the result of [`place::of`](super::place::of).
pub(super) fn files(owner: InputFormat, place: &Path, command: &HookCommand) -> Vec<OwnFile> {
    let plain = |path: PathBuf, content: String| OwnFile { path, content, is_executable: false };
    match owner {
        InputFormat::Copilot => vec![plain(place.to_owned(), copilot(command))],
        InputFormat::Opencode => vec![plain(place.to_owned(), opencode(command))],
        InputFormat::Hermes => vec![
            plain(place.join("plugin.yaml"), HERMES_MANIFEST.replace("{{VERSION}}", env!("CARGO_PKG_VERSION"))),
            plain(place.join("__init__.py"), hermes(command)),
        ],
        InputFormat::Goose => vec![
            plain(place.join("plugin.json"), pretty(&manifest())),
            plain(place.join("hooks/hooks.json"), goose(command)),
        ],
        InputFormat::Cline => {
            let script = |event: &str| OwnFile {
                path: place.join(event),
                content: format!("{SCRIPT}{}\n", command.line(owner.as_str(), Some(event))),
                is_executable: true,
            };
            CLINE.iter().copied().map(script).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an existing file is ours, of any version and for any program.
pub(crate) fn is_own(path: &Path, content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else { return false };
    if text.starts_with(PLUGIN_MARK) || text.starts_with(HERMES_MARK) {
        return true;
    }
    if let Some(script) = text.strip_prefix(SCRIPT) {
        return is_ours(script);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) if path.ends_with("plugin.json") => value.get("name") == manifest().get("name"),
        Ok(value) => {
            let commands = commands(&value);
            !commands.is_empty() && commands.iter().all(|command| is_ours(command))
        }
        Err(_) => false,
    }
}

/// Returns the program that a file of ours runs.
pub(crate) fn program_in(content: &str) -> Option<PathBuf> {
    let assignments = [(PLUGIN_MARK, "const PROGRAM = "), (HERMES_MARK, "PROGRAM = ")];
    if let Some((_, assignment)) = assignments.into_iter().find(|(mark, _)| content.starts_with(mark)) {
        let line = content.lines().find_map(|line| line.strip_prefix(assignment))?;
        let path: String = serde_json::from_str(line.trim_end_matches(';')).ok()?;
        return Some(PathBuf::from(path));
    }
    if let Some(script) = content.strip_prefix(SCRIPT) {
        return Some(program_of(script));
    }
    let value = serde_json::from_str(content).ok()?;
    commands(&value).first().map(|command| program_of(command))
}

/// Returns every command of a hooks file.
fn commands(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().flat_map(commands).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "command" || name == "bash" => vec![text.as_str()],
                value => commands(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn copilot(command: &HookCommand) -> String {
    // The payloads do not name their event.
    let hook = |event: &str, timeout: Option<u32>| {
        let line = command.line(InputFormat::Copilot.as_str(), Some(event));
        json!([{ "type": "command", "bash": line, "timeoutSec": timeout }])
    };
    let hooks: serde_json::Map<String, Value> =
        COPILOT.iter().map(|entry| (entry.event.to_owned(), hook(entry.event, entry.timeout))).collect();
    pretty(&json!({ "version": 1, "hooks": hooks }))
}

fn goose(command: &HookCommand) -> String {
    let line = command.line(InputFormat::Goose.as_str(), None);
    let hook = json!([{ "hooks": [{ "type": "command", "command": line }] }]);
    let hooks: serde_json::Map<String, Value> =
        GOOSE.iter().map(|entry| (entry.event.to_owned(), hook.clone())).collect();
    pretty(&json!({ "hooks": hooks }))
}

fn manifest() -> Value {
    json!({
        "name": "lastword",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Tells Lastword of sessions that begin and end"
    })
}

fn opencode(command: &HookCommand) -> String {
    let text = |value: Option<&str>| json!(value).to_string();
    PLUGIN.replace("\"{{PROGRAM}}\"", &text(Some(command.program()))).replace("\"{{SOCKET}}\"", &text(command.socket()))
}

/// Fills in the plugin. A JSON string is also a Python string.
fn hermes(command: &HookCommand) -> String {
    let text = |value: Option<&str>| value.map_or_else(|| "None".to_owned(), |value| json!(value).to_string());
    HERMES.replace("\"{{PROGRAM}}\"", &text(Some(command.program()))).replace("\"{{SOCKET}}\"", &text(command.socket()))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_ours_is_known_as_such_and_says_its_program() {
        let command = HookCommand::new(Some(Path::new("/a b/lastword")), None).unwrap();
        for owner in
            [InputFormat::Copilot, InputFormat::Opencode, InputFormat::Goose, InputFormat::Cline, InputFormat::Hermes]
        {
            for file in files(owner, Path::new("/place"), &command) {
                assert!(is_own(&file.path, file.content.as_bytes()), "{}", file.content);
                assert!(!file.content.contains("{{"), "{}", file.content);
                if !file.path.ends_with("plugin.json") && !file.path.ends_with("plugin.yaml") {
                    assert_eq!(program_in(&file.content).unwrap(), Path::new("/a b/lastword"), "{}", file.content);
                }
            }
        }
    }

    #[test]
    fn files_of_others_are_not_ours() {
        for content in [
            "",
            "{}",
            "#!/bin/sh\nexec say done\n",
            "#!/bin/sh\nexec /x/lastword emit cline A\nrm x\n",
            "#!/bin/sh\nexec wrapper /x/lastword emit cline TaskStart --spawn\n",
            "#!/bin/sh\nexec /x/lastword emit cline TaskStart --spawn 2>> /tmp/log\n",
        ] {
            assert!(!is_own(Path::new("/place/hooks.json"), content.as_bytes()), "{content}");
        }
        assert!(!is_own(Path::new("/place/plugin.json"), b"{\"name\": \"other\"}"));
        let mixed =
            br#"{"hooks": {"sessionEnd": [{"bash": "/x/lastword emit copilot sessionEnd"}, {"bash": "mine"}]}}"#;
        assert!(!is_own(Path::new("/place/lastword.json"), mixed));
    }
}
