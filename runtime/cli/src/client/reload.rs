//! `lastword reload`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use lastword_server::Reloaded;

use super::Daemon;
use crate::args::{ReloadArgs, SocketArgs};
use crate::config::{Config, users_own};
use crate::exit::{Exit, Failure, printed};
use crate::inputs;
use crate::socket::SocketPlace;
use lastword_events::text::printable_path;

/// Asks the daemon to read its configuration again, and prints the changes.
///
/// # Errors
/// When no daemon answers, or the daemon refuses the configuration and keeps the old one.
pub(crate) fn reload(args: &ReloadArgs) -> Result<Exit, Failure> {
    let daemon = required(&args.socket, args.config.as_deref())?;
    let Reloaded { changed, needs_restart } = daemon.post("/v1/reload", &serde_json::json!({}))?;
    let mut out = anstream::stdout().lock();
    for line in changed.iter().chain(&needs_restart) {
        printed(writeln!(out, "{}", lastword_events::printable(line)))?;
    }
    if changed.is_empty() && needs_restart.is_empty() {
        printed(writeln!(out, "nothing has changed"))?;
    }
    Ok(Exit::Delivered)
}

/// Returns the socket in a configuration, if the file can be read.
pub(crate) fn configured_socket(config: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    // A daemon may outlive its configuration file. A configuration from a pipe cannot be read again.
    match config.filter(|config| config.exists() && !inputs::is_passing(config)) {
        Some(config) => Ok(Config::load_daemon(config).map_err(Failure::usage)?.and_then(|daemon| daemon.socket)),
        None => Ok(None),
    }
}

/// Returns the requested daemon, which must be running: the one at the named socket, else that of the configuration, else of the
/// user's own.
///
/// # Errors
/// When no daemon answers, or the configuration cannot be read.
pub(crate) fn required(said: &SocketArgs, config: Option<&Path>) -> Result<Daemon, Failure> {
    let own = if said.socket.is_some() { None } else { users_own() };
    let configured = configured_socket(config.or(own.as_deref()))?;
    let place = SocketPlace::choose(said.socket.as_deref(), configured.as_deref())?;
    Daemon::find(&place)?.ok_or_else(|| nobody(&place))
}

/// The failure when no daemon answers.
pub(crate) fn nobody(place: &SocketPlace) -> Failure {
    Failure::usage(anyhow!(
        "no daemon answers at {}: start one with `lastword serve`, or name its socket with --socket",
        printable_path(&place.path)
    ))
}
