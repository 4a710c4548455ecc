//! Where the daemon and the spool are that a hook uses.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use lastword_spool::Spool;

use crate::config::{Config, users_own};
use crate::directories::{self, missing};
use crate::exit::Failure;
use crate::socket::SocketPlace;

/// The spool that is said, or the user's own.
///
/// # Errors
/// When nobody knows where that is.
pub(super) fn spool(said: Option<&Path>) -> Result<Spool, Failure> {
    said.map(|said| Spool::at(absolute(said)))
        .or_else(default_spool)
        .ok_or_else(|| Failure::usage(anyhow!("no home directory is known ({}): say --spool DIR", missing())))
}

/// The user's own spool; none when nobody knows where that is.
pub(crate) fn default_spool() -> Option<Spool> {
    Some(Spool::at(directories::state()?.join("lastword").join("spool")))
}

/// The socket that is said, that of the user's own configuration, or the default.
///
/// # Errors
/// When nobody knows where that is.
pub(super) fn socket(said: Option<&Path>) -> Result<SocketPlace, Failure> {
    let own = if said.is_none() { users_own() } else { None };
    // A daemon does not start with a configuration that has mistakes, and one that runs has read another.
    let configured = own.and_then(|own| Config::load_daemon(&own).ok().flatten()?.socket);
    SocketPlace::choose(said, configured.as_deref())
}

/// For a process that works elsewhere.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
