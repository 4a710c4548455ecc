//! `lastword doctor`: whether owners' events reach a plugin, and how to repair it.

mod claude_sessions;
mod daemon;
mod finding;
mod hooks;
mod show;
mod spool;

use std::collections::BTreeSet;
use std::path::Path;

use lastword_protocol::owners::InputFormat;
use serde::Deserialize;

use crate::args::DoctorArgs;
use crate::client::Daemon;
use crate::exit::{Exit, Failure, printed};
use crate::install::owner_folder;
use crate::install::state::Installed;
use crate::socket::SocketPlace;
use finding::{Finding, State};

/// Owners that can be given hooks.
const OWNERS: [InputFormat; 10] = [
    InputFormat::ClaudeCode,
    InputFormat::Codex,
    InputFormat::Gemini,
    InputFormat::Qwen,
    InputFormat::Copilot,
    InputFormat::Cursor,
    InputFormat::Goose,
    InputFormat::Cline,
    InputFormat::Opencode,
    InputFormat::Hermes,
];

/// An active session, with the fields that the doctor needs.
#[derive(Deserialize)]
struct ActiveSession {
    id: String,
}

/// Runs all checks, and prints the findings.
///
/// # Errors
/// When the user's directories are unknown, or the findings cannot be printed.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let place = SocketPlace::choose(args.socket.socket.as_deref(), None)?;
    let mut findings = Vec::new();
    let found = daemon::find(&place, &mut findings);
    let (status, active) = match &found {
        Some((daemon, status)) => (Some(status), active_sessions(daemon)),
        None => (None, None),
    };
    findings.extend(spool::look(status.is_some()));
    let project = args.project.as_deref();
    let owners = asked_for(&args.owners, project)?;
    for (owner, installed) in &owners {
        let asked = hooks::Asked { is_by_name: !args.owners.is_empty(), project };
        findings.extend(hooks::look(*owner, installed, asked, status));
        if *owner == InputFormat::ClaudeCode {
            findings.extend(claude_sessions::look(active.as_ref()));
        }
    }
    if owners.is_empty() {
        let says = match project {
            Some(_) => "no owner has hooks in this project",
            None => "no owner is on this machine that can have hooks",
        };
        let hint = format!("give one hooks, e.g. {}", hooks::install(InputFormat::ClaudeCode, project));
        findings.push(Finding::wrong(None, "owners", says, hint));
    }
    let mut out = anstream::stdout().lock();
    printed(if args.json { show::json(&mut out, &findings) } else { show::show(&mut out, &findings) })?;
    let is_wrong = findings.iter().any(|finding| finding.state == State::Wrong);
    Ok(if is_wrong { Exit::No } else { Exit::Delivered })
}

/// Returns the named owners, else those on this machine, or, in a project, those with hooks there.
fn asked_for(named: &[InputFormat], project: Option<&Path>) -> Result<Vec<(InputFormat, Installed)>, Failure> {
    let mut owners = Vec::new();
    for owner in OWNERS {
        let is_named = named.contains(&owner);
        if project.is_some() && matches!(owner, InputFormat::Goose | InputFormat::Hermes) && !is_named {
            // This owner has no project hooks, and a user who names it is told so.
            continue;
        }
        let is_here = || project.is_none() && owner_folder(owner).is_ok_and(|folder| folder.is_dir());
        let installed = Installed::look(owner, project)?;
        let has_some = installed.there > 0 || installed.unreadable.is_some();
        if is_named || (named.is_empty() && (has_some || is_here())) {
            owners.push((owner, installed));
        }
    }
    match named.iter().find(|owner| !OWNERS.contains(owner)) {
        Some(other) => Err(Failure::usage(anyhow::anyhow!(
            "{} has no hooks that could be looked at: see `lastword status`",
            other.name()
        ))),
        None => Ok(owners),
    }
}

/// Returns the ids of active sessions. `None` if the daemon does not list them.
fn active_sessions(daemon: &Daemon) -> Option<BTreeSet<String>> {
    let rows: Vec<ActiveSession> = daemon.rows("/v1/sessions").ok()?;
    Some(rows.into_iter().map(|row| row.id).collect())
}
