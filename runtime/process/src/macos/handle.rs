//! A process as it was when the handle was opened.

use std::io;

use rustix::io::Errno;
use rustix::process::test_kill_process;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use crate::{Gone, ProcessError};

/// The properties of a process when the handle was opened. Unlike a pidfd, the handle does not hold the process.
#[derive(Debug)]
pub(crate) struct Handle {
    pid: u32,
    start_time: u64,
    uid: u32,
    is_zombie: bool,
}

impl Handle {
    pub(crate) fn open(pid: u32) -> Result<Self, ProcessError> {
        let number = number(pid).ok_or(ProcessError::NotAPid { pid })?;
        let known = look(pid, ProcessRefreshKind::nothing(), |process| {
            // Without a user only the path is known, and the start time is invented.
            let uid = **process.effective_user_id()?;
            Some(Self {
                pid,
                start_time: process.start_time(),
                uid,
                is_zombie: process.status() == ProcessStatus::Zombie,
            })
        });
        match (known?, test_kill_process(number)) {
            (Some(handle), _) => Ok(handle),
            (None, Err(Errno::SRCH)) => Err(ProcessError::Gone { pid, gone: Gone::NoProcess }),
            (None, _) => Err(ProcessError::Hidden { pid }),
        }
    }

    /// Returns the start time, in seconds since 1970.
    pub(crate) fn start_time(&self) -> Result<u64, ProcessError> {
        Ok(self.start_time)
    }

    /// Returns the process's effective user.
    pub(crate) fn uid(&self) -> Result<u32, ProcessError> {
        Ok(self.uid)
    }

    /// Checks that the process still ran when the handle was opened.
    pub(crate) fn check_runs(&self) -> Result<(), ProcessError> {
        if self.is_zombie {
            return Err(ProcessError::Gone { pid: self.pid, gone: Gone::Zombie });
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }
}

/// Looks up one process. `None` if the system does not show it.
pub(super) fn look<T>(
    pid: u32,
    what: ProcessRefreshKind,
    read: impl FnOnce(&Process) -> Option<T>,
) -> Result<Option<T>, ProcessError> {
    let during = || "ask the system for processes".to_owned();
    let mut system = System::new()
        .map_err(|error| ProcessError::Io { during: during(), source: io::Error::other(error.to_string()) })?;
    let pid = Pid::from_u32(pid);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
    Ok(system.process(pid).and_then(read))
}

fn number(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}
