//! The lock file next to a socket. A daemon locks it while it serves, and writes its process id into it. The file
//! stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::anyhow;
use lastword_events::text::printable_path;
use lastword_process::Process;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::exit::Failure;
use crate::limits::MAX_PID_BYTES;

const MODE: u32 = 0o600;

/// Does not follow a link, because the target would be emptied. Does not wait for a pipe of that name.
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).bits().cast_signed();

/// The result of asking for the lock.
#[derive(Debug)]
pub(super) enum Lock {
    /// The lock is ours as long as the file is open.
    Ours(File),
    /// Another daemon has the lock: its description.
    Of(String),
}

/// Takes the lock if it is free, and writes our process id.
///
/// # Errors
/// When it cannot be taken, or the file is not one that a daemon of this user has left. The file is then unchanged.
pub(super) fn take(at: &Path) -> Result<Lock, Failure> {
    let unusable = |error: io::Error| {
        Failure::usage(anyhow!(error).context(format!("the lock {} cannot be taken", printable_path(at))))
    };
    let mut lock = open(at).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Lock::Of(holder(&lock))),
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    write_pid(&mut lock).map_err(unusable)?;
    Ok(Lock::Ours(lock))
}

fn open(at: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE).custom_flags(FLAGS);
    let lock = options.open(at).map_err(|error| match error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        true => not_ours("it is a link"),
        false => error,
    })?;
    let metadata = lock.metadata()?;
    if !metadata.is_file() {
        return Err(not_ours("it is no plain file"));
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(not_ours(&format!("it belongs to user {}", metadata.uid())));
    }
    Ok(lock)
}

/// Replaces the last daemon's process id with ours. A file with other content belongs to somebody else.
fn write_pid(lock: &mut File) -> io::Result<()> {
    let text = content(lock)?;
    if !text.is_empty() && pid_of(&text).is_none() {
        return Err(not_ours("it holds something else than the number of a daemon's process"));
    }
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

/// Returns the process that has the lock. It writes its process id a moment after it takes the lock, and until then the
/// file names a killed daemon. So a process that does not run is not named.
fn holder(lock: &File) -> String {
    let pid = content(lock).ok().and_then(|text| pid_of(&text)).filter(|pid| Process::of(*pid).is_ok());
    pid.map_or_else(|| "a process that cannot be named".to_owned(), |pid| format!("process {pid}"))
}

/// Returns the content of the file, cut to the length of a daemon's.
fn content(lock: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // One extra byte shows that the file is longer.
    lock.take(MAX_PID_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Returns the number, if the file has nothing else.
fn pid_of(text: &[u8]) -> Option<u32> {
    let line = std::str::from_utf8(text).ok()?;
    line.strip_suffix('\n').unwrap_or(line).parse().ok()
}

fn not_ours(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{why}: remove it, or name another socket with --socket"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn refused(at: &Path) -> String {
        format!("{:#}", take(at).unwrap_err().error)
    }

    #[test]
    fn what_a_daemon_left_is_taken_over_and_one_that_lives_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a.lock");
        for left in ["", "7\n", "4294967295\n", "7"] {
            fs::write(&at, left).unwrap();
            let Lock::Ours(lock) = take(&at).unwrap() else { panic!("{left:?}: nobody has it") };
            assert_eq!(fs::read_to_string(&at).unwrap(), format!("{}\n", std::process::id()));
            let Lock::Of(holder) = take(&at).unwrap() else { panic!("it is taken") };
            assert_eq!(holder, format!("process {}", std::process::id()));
            drop(lock);
        }
    }

    #[test]
    fn a_killed_daemon_is_not_named_while_the_next_one_has_not_written_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a.lock");
        let mut killed = Command::new("true").spawn().unwrap();
        killed.wait().unwrap();
        fs::write(&at, format!("{}\n", killed.id())).unwrap();
        let next = File::options().read(true).write(true).open(&at).unwrap();
        next.try_lock().unwrap();
        let Lock::Of(holder) = take(&at).unwrap() else { panic!("it is taken") };
        assert_eq!(holder, "a process that cannot be named");
    }

    #[test]
    fn a_file_of_that_name_that_no_daemon_has_left_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a.lock");
        for diary in ["dear diary", "7\n8\n", "\n", "12345678901234567890123", "-7\n"] {
            fs::write(&at, diary).unwrap();
            assert!(refused(&at).contains("it holds something else"), "{diary:?}");
            assert_eq!(fs::read_to_string(&at).unwrap(), diary);
        }
    }

    #[test]
    fn a_link_of_that_name_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (at, diary) = (dir.path().join("a.lock"), dir.path().join("diary"));
        fs::write(&diary, "").unwrap();
        symlink(&diary, &at).unwrap();
        assert!(refused(&at).contains("it is a link: remove it"));
        assert_eq!(fs::read(&diary).unwrap(), b"");
    }
}
