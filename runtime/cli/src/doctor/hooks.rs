//! Checks an owner's hooks: they exist, the owner runs them, they run this program, and the daemon got events from
//! them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lastword_events::text::printable_path;
use lastword_protocol::owners::InputFormat;
use lastword_server::Status;

use super::finding::Finding;
use crate::install::state::Installed;
use crate::install::{ENABLE_HERMES, Loads, ask_codex, ask_hermes, is_same_file};

/// The request for a check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Whether the user named the owners, which then should have hooks.
    pub(super) is_by_name: bool,
    /// The project whose hooks to check, instead of the user's own.
    pub(super) project: Option<&'a Path>,
}

/// Returns the command that installs an owner's hooks.
pub(super) fn install(owner: InputFormat, project: Option<&Path>) -> String {
    let project = project.map(|folder| format!(" --project {}", printable_path(folder))).unwrap_or_default();
    format!("`lastword install {}{project}`", owner.as_str())
}

/// Returns the findings about an owner.
pub(super) fn look(
    owner: InputFormat,
    installed: &Installed,
    asked: Asked<'_>,
    status: Option<&Status>,
) -> Vec<Finding> {
    let install = install(owner, asked.project);
    let (has_hooks, mut findings) = (installed.there > 0, vec![of_hooks(owner, installed, asked, &install)]);
    if !has_hooks {
        return findings;
    }
    findings.extend(installed.programs.iter().map(|program| of_program(owner, program, &install)));
    if owner == InputFormat::Codex {
        findings.push(of_trust(&installed.place, &install));
    }
    if owner == InputFormat::Hermes {
        findings.push(of_loading());
    }
    findings.push(of_last_hook(owner, status));
    findings
}

fn of_hooks(owner: InputFormat, installed: &Installed, asked: Asked<'_>, install: &str) -> Finding {
    let Installed { place, there, wanted, unreadable, .. } = installed;
    let (check, owner) = ("hooks", Some(owner));
    let place = printable_path(place);
    if let Some(why) = unreadable {
        return Finding::wrong(owner, check, why.as_str(), "mend the file: the agent may read nothing of it either");
    }
    match there {
        0 if asked.is_by_name => Finding::wrong(owner, check, format!("it has no hooks in {place}"), install),
        0 => Finding::open(owner, check, "it has no hooks").hint(format!("{install} gives it some")),
        there if there < wanted => {
            Finding::wrong(owner, check, format!("{there} of {wanted} hooks are in {place}"), install)
        }
        _ => Finding::good(owner, check, format!("its hooks are in {place}")),
    }
}

fn of_program(owner: InputFormat, program: &Path, install: &str) -> Finding {
    let (check, path) = ("command", printable_path(program));
    let install = format!("{install} puts this program in its place");
    let owner = Some(owner);
    let Ok(metadata) = program.metadata() else {
        return Finding::wrong(owner, check, format!("its hooks run {path}, which is not there"), install);
    };
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Finding::wrong(owner, check, format!("its hooks run {path}, which is no program"), install);
    }
    match std::env::current_exe() {
        Ok(ours) if is_same_file(program, &ours) => Finding::good(owner, check, format!("they run {path}")),
        Ok(ours) => {
            let ours = printable_path(&ours);
            Finding::wrong(owner, check, format!("its hooks run {path}, and this is {ours}"), install)
        }
        Err(_) => Finding::open(owner, check, format!("they run {path}")),
    }
}

fn of_trust(file: &Path, install: &str) -> Finding {
    let (check, owner) = ("trust", Some(InputFormat::Codex));
    let hint = format!("{install}, or run `codex` and trust the hooks with `/hooks`");
    match ask_codex(file) {
        Ok(trust) if trust.is_whole() => Finding::good(owner, check, "Codex trusts all of them"),
        Ok(trust) if trust.listed < trust.installed => {
            let says = format!("Codex knows {} of {} hooks", trust.listed, trust.installed);
            Finding::wrong(owner, check, says, "is CODEX_HOME another one for Codex than here?")
        }
        Ok(trust) => {
            let says = format!("Codex trusts {} of {}, and skips the others", trust.trusted, trust.installed);
            Finding::wrong(owner, check, says, hint)
        }
        Err(error) => Finding::wrong(owner, check, format!("whether Codex trusts them is not known: {error:#}"), hint),
    }
}

fn of_loading() -> Finding {
    let (check, owner) = ("enabled", Some(InputFormat::Hermes));
    match ask_hermes() {
        Ok(Loads::Yes) => Finding::good(owner, check, "Hermes loads the plugin"),
        Ok(Loads::No(why)) => {
            Finding::wrong(owner, check, format!("Hermes does not load the plugin: it is {why}"), ENABLE_HERMES)
        }
        Ok(Loads::Unknown) => {
            let hint = "is HERMES_HOME another one for Hermes than here?";
            Finding::wrong(owner, check, "Hermes does not know the plugin", hint)
        }
        Err(error) => Finding::wrong(
            owner,
            check,
            format!("whether Hermes loads the plugin is not known: {error:#}"),
            ENABLE_HERMES,
        ),
    }
}

fn of_last_hook(owner: InputFormat, status: Option<&Status>) -> Finding {
    let (check, word) = ("last-hook", owner.as_str());
    let Some(status) = status else {
        return Finding::open(Some(owner), check, "when its last hook came only a daemon can say");
    };
    match status.last_hooks.iter().find(|last| last.kind == word) {
        Some(last) => Finding::good(Some(owner), check, format!("its last hook came at {}", last.at)),
        None => {
            Finding::open(Some(owner), check, "no hook of it has come since the daemon started").hint("start a session")
        }
    }
}
