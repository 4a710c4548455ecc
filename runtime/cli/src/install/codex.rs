//! Codex runs a hook only if its user trusts it. Codex's app server lists hooks, and records which ones are trusted.

mod app_server;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lastword_protocol::owners::InputFormat;
use serde_json::{Map, Value, json};

use super::files;
use super::merged::{self, Found};
use super::recipe::Recipe;
use app_server::AppServer;

/// A hook in Codex's list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    key: String,
    hash: String,
    is_trusted: bool,
}

/// The number of our hooks that Codex knows, and of those that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) installed: usize,
    pub(crate) listed: usize,
    pub(crate) trusted: usize,
}

impl Trust {
    /// Whether Codex runs all of our hooks.
    pub(crate) fn is_whole(self) -> bool {
        self.trusted == self.installed
    }
}

/// Asks Codex about our hooks in this file.
///
/// # Errors
/// When there is no `codex`, or it does not answer in time.
pub(crate) fn ask(file: &Path) -> anyhow::Result<Trust> {
    let ours = ours(file)?;
    let mut server = AppServer::start()?;
    Ok(trust_of(&ours, &list(&mut server, file, &ours)?))
}

/// Makes Codex trust the hooks in this file that run this command, and no others.
///
/// # Errors
/// When there is no `codex`, or it does not answer in time, or refuses.
pub(super) fn trust(file: &Path, line: &str) -> anyhow::Result<Trust> {
    let mut ours = ours(file)?;
    ours.retain(|found| found.command == line);
    let mut server = AppServer::start()?;
    let listed = list(&mut server, file, &ours)?;
    let new: Map<String, Value> = listed
        .iter()
        .filter(|hook| !hook.is_trusted)
        .map(|hook| (hook.key.clone(), json!({ "trusted_hash": hook.hash })))
        .collect();
    if new.is_empty() {
        return Ok(trust_of(&ours, &listed));
    }
    let edit = json!({ "keyPath": "hooks.state", "value": new, "mergeStrategy": "upsert" });
    let write = json!({ "edits": [edit], "filePath": null, "expectedVersion": null, "reloadUserConfig": true });
    server.call("config/batchWrite", &write)?;
    Ok(trust_of(&ours, &list(&mut server, file, &ours)?))
}

fn trust_of(ours: &[Found], listed: &[Listed]) -> Trust {
    let trusted = listed.iter().filter(|hook| hook.is_trusted).count();
    Trust { installed: ours.len(), listed: listed.len(), trusted }
}

fn ours(file: &Path) -> anyhow::Result<Vec<Found>> {
    let content = files::read(file)?.unwrap_or_default();
    let text = String::from_utf8(content).context("the file of hooks is not UTF-8")?;
    let recipe = Recipe::of(InputFormat::Codex).context("Codex has a file of hooks")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    merged::find(text, recipe.shape).map_err(|mistake| anyhow::anyhow!(mistake.show(text)))
}

fn list(server: &mut AppServer, file: &Path, ours: &[Found]) -> anyhow::Result<Vec<Listed>> {
    // Codex lists a project's hooks only from within the project.
    let folder = file.parent().and_then(Path::parent).unwrap_or(file);
    let folder = std::path::absolute(folder)?;
    let answer = server.call("hooks/list", &json!({ "cwds": [folder] }))?;
    Ok(pick(&answer, file, ours))
}

/// Returns our hooks of the list: the key has the place of one of ours, and the command is the one written there.
fn pick(answer: &Value, file: &Path, ours: &[Found]) -> Vec<Listed> {
    let folders = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let hooks = folders.iter().filter_map(|folder| folder["hooks"].as_array()).flatten();
    let mut listed: Vec<Listed> = Vec::new();
    for hook in hooks {
        let (Some(key), Some(hash)) = (hook["key"].as_str(), hook["currentHash"].as_str()) else { continue };
        let is_ours = found_at(key, file, ours).is_some_and(|found| hook["command"] == found.command.as_str());
        if !is_ours || listed.iter().any(|known| known.key == key) {
            continue;
        }
        let is_trusted = matches!(hook["trustStatus"].as_str(), Some("trusted" | "managed"));
        listed.push(Listed { key: key.to_owned(), hash: hash.to_owned(), is_trusted });
    }
    listed
}

/// Finds the hook of a key, e.g. `/home/u/.codex/hooks.json:session_start:0:0`.
fn found_at<'o>(key: &str, file: &Path, ours: &'o [Found]) -> Option<&'o Found> {
    let mut parts = key.rsplitn(4, ':');
    let (handler, group, event, path) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_there = |found: &&Found| {
        found.handler.to_string() == handler && found.group.to_string() == group && snake(&found.event) == event
    };
    if is_same(Path::new(path), file) { ours.iter().find(is_there) } else { None }
}

fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    real(a) == real(b)
}

/// Converts `SessionStart` to the form in Codex's keys.
fn snake(event: &str) -> String {
    let mut name = String::with_capacity(event.len() + 4);
    for (place, c) in event.chars().enumerate() {
        if c.is_ascii_uppercase() && place > 0 {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_hooks_at_their_places_are_picked() {
        let text = r#"{"hooks": {"SessionStart": [
            {"hooks": [{"command": "mine"}]},
            {"hooks": [{"command": "/opt/lastword emit codex", "timeout": 5}]}]}}"#;
        let ours = merged::find(text, Recipe::of(InputFormat::Codex).unwrap().shape).unwrap();
        let file = Path::new("/no/such/hooks.json");
        let (key, line) = ("/no/such/hooks.json:session_start:1:0", "/opt/lastword emit codex");
        let hook = |key: &str, trust: &str| {
            let (hash, command) = ("sha256:1", line);
            json!({ "key": key, "currentHash": hash, "trustStatus": trust, "command": command })
        };
        let answer = json!({ "data": [{ "hooks": [
            hook("/no/such/hooks.json:session_start:0:0", "untrusted"),
            hook("/elsewhere/hooks.json:session_start:1:0", "untrusted"),
            hook("/no/such/hooks.json:stop:1:0", "trusted"),
            json!({ "key": key, "currentHash": "x", "command": "mine" }),
            json!({ "key": key, "currentHash": "y", "command": "/x/lastword emit codex" }),
            json!({ "key": key, "currentHash": "z" }),
            hook(key, "untrusted"),
        ]}]});
        let picked = pick(&answer, file, &ours);
        let expected = Listed { key: key.into(), hash: "sha256:1".into(), is_trusted: false };
        assert_eq!(picked, [expected]);
        assert_eq!(trust_of(&ours, &picked), Trust { installed: 1, listed: 1, trusted: 0 });
        assert_eq!(snake("UserPromptSubmit"), "user_prompt_submit");
    }
}
