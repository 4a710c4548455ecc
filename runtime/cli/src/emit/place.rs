//! Finds the daemon's socket and the spool for a hook.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use lastword_spool::Spool;

use crate::config::{Config, users_own};
use crate::directories::{self, missing};
use crate::exit::Failure;
use crate::socket::SocketPlace;

/// Returns the named spool, or the user's own.
///
/// # Errors
/// When the user's directories are unknown.
pub(super) fn spool(said: Option<&Path>) -> Result<Spool, Failure> {
    said.map(|said| Spool::at(absolute(said)))
        .or_else(default_spool)
        .ok_or_else(|| Failure::usage(anyhow!("no home directory is known ({}): say --spool DIR", missing())))
}

/// Returns the user's own spool. `None` if the user's directories are unknown.
pub(crate) fn default_spool() -> Option<Spool> {
    Some(Spool::at(directories::state()?.join("lastword").join("spool")))
}

/// Returns the named socket, that of the user's own configuration, or the default.
///
/// # Errors
/// When the user's directories are unknown.
pub(super) fn socket(said: Option<&Path>) -> Result<SocketPlace, Failure> {
    let own = if said.is_none() { users_own() } else { None };
    // A configuration with mistakes is ignored: no daemon starts with it, and a running daemon has read another.
    let configured = own.and_then(|own| Config::load_daemon(&own).ok().flatten()?.socket);
    SocketPlace::choose(said, configured.as_deref())
}

/// Makes the path absolute, for a process with another working directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
