//! The log file of a daemon that a hook has started, since no terminal shows its stderr.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use lastword_spool::{Loose, open_private};
use rustix::fs::OFlags;

use crate::directories;
use crate::limits::MAX_DAEMON_LOG_BYTES;

const NAME: &str = "daemon.log";
/// The previous log.
const EARLIER: &str = "daemon.log.1";
const MODE: u32 = 0o600;
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).bits().cast_signed();

/// Opens the log in our directory in the user's state directory, and makes that directory private. Renames a long log
/// first.
///
/// # Errors
/// When the state directory is unknown, or the file cannot be opened.
pub(super) fn open() -> io::Result<File> {
    let directory = directories::state().ok_or_else(|| io::Error::other(directories::missing()))?;
    open_in(&directory.join("lastword"))
}

fn open_in(directory: &Path) -> io::Result<File> {
    open_private(directory, Loose::Tighten).map_err(io::Error::other)?;
    let path: PathBuf = directory.join(NAME);
    if fs::symlink_metadata(&path).is_ok_and(|log| log.len() > MAX_DAEMON_LOG_BYTES) {
        fs::rename(&path, directory.join(EARLIER))?;
    }
    OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(FLAGS).open(&path)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn it_goes_on_until_it_is_long_and_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("lastword");
        let [log, earlier] = [NAME, EARLIER].map(|name| directory.join(name));
        writeln!(open_in(&directory).unwrap(), "1").unwrap();
        // Another program made the directories, with another umask.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o775)).unwrap();
        writeln!(open_in(&directory).unwrap(), "2").unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(&log).unwrap(), "1\n2\n");
        assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
        OpenOptions::new().write(true).open(&log).unwrap().set_len(MAX_DAEMON_LOG_BYTES + 1).unwrap();
        writeln!(open_in(&directory).unwrap(), "3").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "3\n");
        assert_eq!(fs::metadata(&earlier).unwrap().len(), MAX_DAEMON_LOG_BYTES + 1);
    }
}
