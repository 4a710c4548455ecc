//! A pidfd, and its process's files in `/proc`.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::fields::{effective_uid, start_time};
use super::proc_files;
use crate::{Gone, ProcessError};

/// The process that had a pid when the handle was opened. The handle still means this process after another one gets
/// the pid. A file that was read by the pid is this process's if [`is_over`](Self::is_over) returns false afterwards.
#[derive(Debug)]
pub(crate) struct Handle {
    pid: u32,
    pidfd: OwnedFd,
}

impl Handle {
    pub(crate) fn open(pid: u32) -> Result<Self, ProcessError> {
        proc_files::check()?;
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(ProcessError::NotAPid { pid })?;
        match pidfd_open(number, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { pid, pidfd }),
            Err(Errno::SRCH) => Err(ProcessError::Gone { pid, gone: Gone::NoProcess }),
            // The second error since Linux 6.9.
            Err(Errno::INVAL | Errno::NOENT) => Err(ProcessError::Thread { pid }),
            Err(Errno::NOSYS) => Err(ProcessError::NotSupported),
            Err(errno) => {
                Err(ProcessError::Io { during: format!("open a pidfd for process {pid}"), source: errno.into() })
            }
        }
    }

    /// Returns the start time, in clock ticks since the boot. A zombie has it too.
    pub(crate) fn start_time(&self) -> Result<u64, ProcessError> {
        self.field("stat", start_time)
    }

    /// Returns the process's effective user.
    pub(crate) fn uid(&self) -> Result<u32, ProcessError> {
        self.field("status", effective_uid)
    }

    /// Checks that the process still runs.
    pub(crate) fn check_runs(&self) -> Result<(), ProcessError> {
        if !self.is_over()? {
            return Ok(());
        }
        // A process that is not the parent sees the zombie until the parent reads the exit code.
        let gone = match proc_files::read(&self.path("stat")) {
            Ok(_) => Gone::Zombie,
            Err(_) => Gone::NoProcess,
        };
        Err(ProcessError::Gone { pid: self.pid, gone })
    }

    pub(super) fn into_pidfd(self) -> OwnedFd {
        self.pidfd
    }

    fn is_over(&self) -> Result<bool, ProcessError> {
        is_over(&self.pidfd)
            .map_err(|source| ProcessError::Io { during: format!("ask for the end of process {}", self.pid), source })
    }

    fn field<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ProcessError> {
        let file = self.path(name);
        match proc_files::read(&file) {
            Ok(text) => parse(&text).ok_or(ProcessError::Unreadable { file }),
            Err(source) => Err(self.unread(&file, source)?),
        }
    }

    /// Returns why a file of the process could not be read: the process has ended, or it is hidden. `hidepid=1` forbids
    /// the file, and `hidepid=2` makes the process look as if it did not exist.
    fn unread(&self, file: &str, source: io::Error) -> Result<ProcessError, ProcessError> {
        let pid = self.pid;
        Ok(match Errno::from_io_error(&source) {
            Some(Errno::NOENT | Errno::SRCH) if self.is_over()? => ProcessError::Gone { pid, gone: Gone::NoProcess },
            Some(Errno::NOENT | Errno::PERM | Errno::ACCESS) => ProcessError::Hidden { pid },
            _ => ProcessError::Io { during: format!("read {file}"), source },
        })
    }

    fn path(&self, name: impl Display) -> String {
        format!("/proc/{}/{name}", self.pid)
    }
}

/// Whether the process has ended with all its threads. `/proc` calls a process a zombie once its first thread has
/// ended, while other threads still run; the pidfd tells the difference.
pub(super) fn is_over(pidfd: impl AsFd) -> io::Result<bool> {
    let mut asked = [PollFd::new(&pidfd, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(rustix::io::retry_on_intr(|| poll(&mut asked, Some(&now)))? > 0)
}
