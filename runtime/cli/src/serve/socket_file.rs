//! The socket's file: private, the only one of its name, and removed with the daemon.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use rustix::fs::Mode;
use rustix::process::umask;

use super::lock_file::{self, Lock};
use super::private_directory;
use crate::exit::Failure;
use crate::limits::{HAND_OVER_LOOK, KILLED_EXIT};
use crate::pause::pause;
use crate::socket::SocketPlace;
use lastword_events::text::printable_path;

/// Added to the socket's name for the lock file.
const LOCK: &str = ".lock";

/// Our socket. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The device and the inode: another socket may have the name by then.
    id: (u64, u64),
    /// Held, so that no other daemon takes the socket for a stale one.
    _lock: File,
}

/// Makes the socket, and replaces a stale one. Waits for a daemon that is about to exit, for `patience` at most.
///
/// # Errors
/// When a program answers on it, the name is taken, or it cannot be made.
pub(super) fn bind(place: &SocketPlace, patience: Duration) -> Result<(UnixListener, SocketFile), Failure> {
    let path = &place.path;
    private_directory::make(place)
        .with_context(|| format!("the directory of the socket {} cannot be used", printable_path(path)))
        .map_err(Failure::usage)?;
    let lock = take_lock(path, patience)?;
    remove_stale(path)?;
    let listener = listen(path).map_err(|error| {
        Failure::usage(anyhow!(error).context(format!("the socket {} cannot be made", printable_path(path))))
    })?;
    let metadata = fs::symlink_metadata(path).map_err(Failure::internal)?;
    let id = (metadata.dev(), metadata.ino());
    Ok((listener, SocketFile { path: path.clone(), id, _lock: lock }))
}

/// Takes the lock that a running daemon has on its socket. Without it, two daemons that find a stale socket at once
/// would each remove the other's.
fn take_lock(path: &Path, patience: Duration) -> Result<File, Failure> {
    let began = Instant::now();
    let mut is_told = false;
    loop {
        match lock_file::take(&lock_of(path))? {
            Lock::Ours(lock) => return Ok(lock),
            // A daemon that is about to exit has closed its socket, and keeps the lock until its last steps are done. One that was killed
            // has both for a moment: the system still takes connections to its socket. No event tells.
            Lock::Of(holder) => {
                let takes_connections = UnixStream::connect(path).is_ok();
                let most = if takes_connections { patience.min(KILLED_EXIT) } else { patience };
                if began.elapsed() >= most {
                    return Err(served(path, &holder));
                }
                if !std::mem::replace(&mut is_told, true) {
                    let path = printable_path(path);
                    tracing::info!("{path} is another daemon's; waiting for it for {most:?}, if it is about to exit");
                }
                pause(HAND_OVER_LOOK);
            }
        }
    }
}

fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(LOCK);
    name.into()
}

fn served(path: &Path, by: &str) -> Failure {
    Failure::usage(anyhow!(
        "the socket {} is served already, by {by}: stop that one, or name another socket with --socket",
        printable_path(path)
    ))
}

/// Removes the socket of a killed daemon.
fn remove_stale(path: &Path) -> Result<(), Failure> {
    let unusable = |error: io::Error| {
        Failure::usage(anyhow!(error).context(format!("the socket {} cannot be used", printable_path(path))))
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let path = printable_path(path);
            return Err(Failure::usage(anyhow!("{path} is there and is no socket: name another with --socket")));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(served(path, "another program")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(unusable),
        Err(error) => Err(unusable(error)),
    }
}

/// Binds the socket so that from its first moment nobody else can open it.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if is_ours {
            fs::remove_file(&self.path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place(path: PathBuf, is_default: bool) -> SocketPlace {
        SocketPlace { path, is_default }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_socket_and_its_directory_are_private_and_it_is_gone_with_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("lastword");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let path = directory.join("lastword.sock");
        let bound = bind(&place(path.clone(), true), Duration::ZERO).unwrap();
        assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_one_is_replaced_and_a_living_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path().join("a.sock"), false);
        drop(UnixListener::bind(&place.path).unwrap());
        let (listener, file) = bind(&place, Duration::ZERO).unwrap();
        let second = bind(&place, Duration::ZERO).unwrap_err().error.to_string();
        assert!(second.contains("a.sock is served already, by process "), "{second}");
        assert!(second.contains(&std::process::id().to_string()), "{second}");
        drop((listener, file));
        // Another program's socket, without a lock.
        let other = UnixListener::bind(&place.path).unwrap();
        let served = bind(&place, Duration::ZERO).unwrap_err().error.to_string();
        assert!(served.contains("by another program"), "{served}");
        drop(other);
        bind(&place, Duration::ZERO).unwrap();
    }

    #[test]
    fn one_that_leaves_is_waited_for_and_one_that_answers_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path().join("a.sock"), false);
        let patience = Duration::from_secs(60);
        let (listener, file) = bind(&place, Duration::ZERO).unwrap();
        assert!(bind(&place, patience).unwrap_err().error.to_string().contains("is served already"));
        drop(listener);
        let waited = std::thread::scope(|scope| {
            let next = scope.spawn(|| bind(&place, patience).map(|(_, file)| file.path.exists()));
            // In either order: no daemon answers.
            drop(file);
            next.join().unwrap()
        });
        assert!(waited.unwrap());
    }

    #[test]
    fn a_file_of_that_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path().join("diary"), false);
        fs::write(&place.path, "mine").unwrap();
        let refused = bind(&place, Duration::ZERO).unwrap_err().error.to_string();
        assert!(refused.contains("is no socket"), "{refused}");
        assert_eq!(fs::read(&place.path).unwrap(), b"mine");
    }
}
