//! `lastword install` and `uninstall`: adds hooks that call `lastword emit` to an owner, or removes them.

mod codex;
mod files;
mod hermes;
mod hook_command;
mod jsonc;
mod layout;
mod merged;
mod own_files;
mod place;
mod plan;
mod recipe;
mod shell;
mod show;
mod splice;
pub(crate) mod state;

use anyhow::anyhow;
use lastword_protocol::owners::InputFormat;

use crate::args::{InstallArgs, TargetArgs, UninstallArgs};
use crate::exit::{Exit, Failure, printed};

pub(crate) use codex::ask as ask_codex;
pub(crate) use hermes::{ENABLE as ENABLE_HERMES, Loads, ask as ask_hermes};
use hook_command::HookCommand;
pub(crate) use hook_command::is_same_file;
pub(crate) use place::folder as owner_folder;
use plan::Change;

/// Installs our hooks.
///
/// # Errors
/// When a file of the owner cannot be parsed, is not ours to write, or cannot be written.
pub(crate) fn install(args: &InstallArgs) -> Result<Exit, Failure> {
    let owner = known(args.target.owner)?;
    let place = place::of(owner, args.target.project.as_deref())?;
    let command = HookCommand::new(args.command.as_deref(), args.socket.as_deref())?;
    let changes = plan::install(owner, &place, &command)?;
    let mut out = anstream::stdout().lock();
    if args.target.print {
        printed(show::print(&mut out, &changes))?;
        return Ok(Exit::Delivered);
    }
    apply(&changes)?;
    printed(show::installed(&mut out, owner, &place, &changes))?;
    // Codex silently skips hooks that are not trusted.
    let trust = (owner == InputFormat::Codex).then(|| codex::trust(&place, &command.line(owner.as_str(), None)));
    let is_well = trust.as_ref().is_none_or(|trust| trust.as_ref().is_ok_and(|trust| trust.is_whole()));
    printed(show::what_remains(&mut out, owner, &changes, trust.as_ref()))?;
    Ok(if is_well { Exit::Delivered } else { Exit::No })
}

/// Removes our hooks.
///
/// # Errors
/// As for [`install`].
pub(crate) fn uninstall(args: &UninstallArgs) -> Result<Exit, Failure> {
    let TargetArgs { owner, project, print } = &args.target;
    let owner = known(*owner)?;
    let place = place::of(owner, project.as_deref())?;
    let changes = plan::uninstall(owner, &place)?;
    let mut out = anstream::stdout().lock();
    if *print {
        printed(show::print(&mut out, &changes))?;
        return Ok(Exit::Delivered);
    }
    apply(&changes)?;
    plan::tidy(owner, &place);
    printed(show::uninstalled(&mut out, owner, &place, &changes))?;
    Ok(Exit::Delivered)
}

/// Returns the owner if it can have hooks.
fn known(owner: InputFormat) -> Result<InputFormat, Failure> {
    match owner {
        InputFormat::Lastword => {
            Err(Failure::usage(anyhow!("lastword is no owner: say whose hooks are meant, e.g. claude-code")))
        }
        InputFormat::Openclaw => Err(Failure::usage(anyhow!(
            "OpenClaw has plugins in place of hooks, and installs them itself: \
             openclaw plugins install lastword-openclaw; then restart its gateway"
        ))),
        owner => Ok(owner),
    }
}

fn apply(changes: &[Change]) -> Result<(), Failure> {
    changes.iter().try_for_each(Change::apply).map_err(Failure::usage)
}
