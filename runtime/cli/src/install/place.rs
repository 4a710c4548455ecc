//! The places of each owner's hooks.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use lastword_events::text::printable_path;
use lastword_protocol::owners::InputFormat;

use crate::directories::{self, missing};
use crate::exit::Failure;

/// Returns the file of an owner's hooks, or the folder for Cline, goose and Hermes Agent: the user's own, or a
/// project's.
///
/// # Errors
/// When the user's home is unknown, or the owner has no project hooks.
pub(crate) fn of(owner: InputFormat, project: Option<&Path>) -> Result<PathBuf, Failure> {
    match project {
        Some(folder) => in_project(owner, folder),
        None => of_user(owner),
    }
}

/// Returns the folder of the owner's own files, which shows that the owner is on this machine.
///
/// # Errors
/// When the user's home is unknown.
pub(crate) fn folder(owner: InputFormat) -> Result<PathBuf, Failure> {
    Ok(match owner {
        InputFormat::ClaudeCode => said("CLAUDE_CONFIG_DIR").map_or_else(|| in_home(".claude"), Ok)?,
        InputFormat::Codex => said("CODEX_HOME").map_or_else(|| in_home(".codex"), Ok)?,
        InputFormat::Gemini => said("GEMINI_CLI_HOME").map_or_else(home, Ok)?.join(".gemini"),
        InputFormat::Qwen => in_home(".qwen")?,
        InputFormat::Copilot => said("COPILOT_HOME").map_or_else(|| in_home(".copilot"), Ok)?,
        InputFormat::Opencode => directories::config().ok_or_else(homeless)?.join("opencode"),
        InputFormat::Cursor => in_home(".cursor")?,
        InputFormat::Goose => in_home(".config/goose")?,
        InputFormat::Cline => in_home(".cline")?,
        InputFormat::Hermes => said("HERMES_HOME").map_or_else(|| in_home(".hermes"), Ok)?,
        InputFormat::Openclaw | InputFormat::Lastword => in_home(".openclaw")?,
    })
}

fn of_user(owner: InputFormat) -> Result<PathBuf, Failure> {
    if owner == InputFormat::Goose {
        return in_home(".agents/plugins/lastword");
    }
    Ok(folder(owner)?.join(match owner {
        InputFormat::ClaudeCode | InputFormat::Gemini | InputFormat::Qwen => "settings.json",
        InputFormat::Codex | InputFormat::Cursor => "hooks.json",
        InputFormat::Copilot => "hooks/lastword.json",
        InputFormat::Opencode => "plugins/lastword.js",
        InputFormat::Hermes => "plugins/lastword",
        _ => "hooks",
    }))
}

fn in_project(owner: InputFormat, folder: &Path) -> Result<PathBuf, Failure> {
    let name = match owner {
        InputFormat::ClaudeCode => ".claude/settings.json",
        InputFormat::Codex => ".codex/hooks.json",
        InputFormat::Gemini => ".gemini/settings.json",
        InputFormat::Qwen => ".qwen/settings.json",
        InputFormat::Copilot => ".github/hooks/lastword.json",
        InputFormat::Opencode => ".opencode/plugins/lastword.js",
        InputFormat::Cursor => ".cursor/hooks.json",
        InputFormat::Cline => ".clinerules/hooks",
        InputFormat::Goose | InputFormat::Hermes | InputFormat::Openclaw | InputFormat::Lastword => {
            let name = owner.name();
            return Err(Failure::usage(anyhow!("{name} has no hooks of a project: leave --project out")));
        }
    };
    if !folder.is_dir() {
        let folder = printable_path(folder);
        return Err(Failure::usage(anyhow!("{folder} is no folder: --project takes the folder of a project")));
    }
    Ok(folder.join(name))
}

fn in_home(name: &str) -> Result<PathBuf, Failure> {
    Ok(home()?.join(name))
}

fn home() -> Result<PathBuf, Failure> {
    directories::home().ok_or_else(homeless)
}

fn homeless() -> Failure {
    Failure::usage(anyhow!("where the owner's settings are is not known: {}", missing()))
}

/// Returns the folder in a variable.
fn said(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
