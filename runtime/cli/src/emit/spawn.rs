//! Starts a daemon that outlives the hook. This is the quick first step; the same program does the rest in another
//! process, for which the hook does not wait (`start_daemon.rs`).

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lastword_spool::Spool;
use rustix::fs::OFlags;

use super::failed_start;
use super::place::absolute;
use crate::args::EMIT_SPAWN;
use crate::exit::Failure;

/// The file in the spool that is locked while a daemon starts. Many hooks may find at once that none runs.
const LOCK: &str = "spawn.lock";
const MODE: u32 = 0o600;
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();

/// The first descriptor that is not a standard stream.
pub(super) const FIRST_INHERITED: i32 = 3;

/// The variables of the hook's environment that the daemon gets. An agent's environment contains keys and tokens, which
/// the daemon would keep for as long as it runs.
const KEPT: [&str; 20] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "LANG",
    "LASTWORD_LOG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LOGNAME",
    "PATH",
    "RUST_BACKTRACE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

/// Starts a daemon that takes in this spool and serves this socket, if one is named. Does nothing if another start is
/// under way or has just failed. With `hand_over`, a running daemon exits first.
///
/// # Errors
/// When the path of this program is unknown, or the system starts no process.
pub(crate) fn begin(spool: &Spool, socket: Option<&Path>, hand_over: bool) -> Result<(), Failure> {
    spool.make().map_err(Failure::usage)?;
    if failed_start::is_recent(spool.directory()) {
        return Ok(());
    }
    let Some(lock) = lock(&spool.directory().join(LOCK)).map_err(Failure::internal)? else { return Ok(()) };
    // The daemon must not inherit the agent's open descriptors: it would keep the agent's pipes open.
    close_fds::set_fds_cloexec_threadsafe(FIRST_INHERITED, &[]);
    let mut command = Command::new(this_program().map_err(Failure::internal)?);
    command.arg(EMIT_SPAWN).arg("--spool").arg(absolute(spool.directory()));
    if let Some(socket) = socket {
        command.arg("--socket").arg(absolute(socket));
    }
    if hand_over {
        command.arg("--hand-over");
    }
    // The process holds the lock as long as its stdin is open.
    command.stdin(Stdio::from(lock)).stdout(Stdio::null()).stderr(Stdio::null());
    command.current_dir("/").env_clear().envs(kept(env::vars_os()));
    // The process outlives us, so we do not wait for it.
    command.spawn().map(drop).map_err(Failure::internal)
}

/// Takes the lock. `None`: another process has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE).custom_flags(FLAGS);
    let lock = options.open(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn kept(environment: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    environment.filter(|(name, _)| KEPT.iter().any(|kept| name == OsStr::new(kept)))
}

/// Returns the path of this program. If the file was replaced while it ran, the path stays the same.
pub(super) fn this_program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    let replaced = path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.filter(|_| !path.exists()).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_has_nothing_of_an_agents_keys() {
        let environment = ["HOME", "ANTHROPIC_API_KEY", "CLAUDE_PID", "XDG_STATE_HOME", "home"];
        let environment = environment.map(|name| (OsString::from(name), OsString::from("x")));
        let kept: Vec<OsString> = kept(environment.into_iter()).map(|(name, _)| name).collect();
        assert_eq!(kept, ["HOME", "XDG_STATE_HOME"]);
        assert!(KEPT.is_sorted());
    }

    #[test]
    fn one_of_many_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK);
        let held = lock(&path).unwrap();
        assert!(held.is_some() && lock(&path).unwrap().is_none());
        drop(held);
        assert!(lock(&path).unwrap().is_some());
    }
}
