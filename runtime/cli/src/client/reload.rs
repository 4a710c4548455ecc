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

/// Has the daemon read its configuration again, and says what has changed.
///
/// # Errors
/// When no daemon answers, or it does not take the configuration: it goes on as it was then.
pub(crate) fn reload(args: &ReloadArgs) -> Result<Exit, Failure> {
    let own = if args.socket.socket.is_some() { None } else { users_own() };
    let configured = configured_socket(args.config.as_deref().or(own.as_deref()))?;
    let daemon = required(&args.socket, configured.as_deref())?;
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

/// The socket that a configuration names, if there is one that can be read.
pub(crate) fn configured_socket(config: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    // One that is gone may have left a daemon, and one that came through a pipe cannot be read again.
    match config.filter(|config| config.exists() && !inputs::is_passing(config)) {
        Some(config) => Ok(Config::load_daemon(config).map_err(Failure::usage)?.and_then(|daemon| daemon.socket)),
        None => Ok(None),
    }
}

/// The daemon that is meant, which has to be there.
fn required(said: &SocketArgs, configured: Option<&Path>) -> Result<Daemon, Failure> {
    let place = SocketPlace::choose(said.socket.as_deref(), configured)?;
    Daemon::find(&place)?.ok_or_else(|| nobody(&place))
}

/// Nobody answers where a daemon was to be.
pub(crate) fn nobody(place: &SocketPlace) -> Failure {
    Failure::usage(anyhow!(
        "no daemon answers at {}: start one with `lastword serve`, or name its socket with --socket",
        printable_path(&place.path)
    ))
}
