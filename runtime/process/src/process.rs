//! The identity of a process.

use serde::{Deserialize, Serialize};

use crate::system;
use crate::{Gone, ProcessError};

/// The identity of a process: its pid, its start time, and its boot.
///
/// Its JSON is a client's statement about an owner: `{"pid":4242,"start_time":81234,"boot_id":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// The pid, in the pid namespace of the reader.
    pub pid: u32,
    /// The start time, in clock ticks since the boot: field 22 of `/proc/PID/stat`. It stays the same when the process
    /// executes another program. On macOS it is in seconds since 1970.
    pub start_time: u64,
    /// The boot in which the process began: `/proc/sys/kernel/random/boot_id`. Empty on macOS, where the start time
    /// suffices.
    pub boot_id: String,
}

/// Returns an id of the calling process's pid namespace: two processes of one namespace have the same pids. `None` if
/// all processes are in one, or if it is unknown.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    system::pid_namespace()
}

impl Process {
    /// Returns the running process with this pid.
    ///
    /// # Errors
    /// [`ProcessError::Gone`] if none runs, or a zombie has the pid. Otherwise why it cannot be looked up.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let handle = system::Handle::open(pid)?;
        let process = Self { pid, start_time: handle.start_time()?, boot_id: system::boot_id()?.to_owned() };
        handle.check_runs()?;
        Ok(process)
    }

    /// Returns the calling process.
    ///
    /// # Errors
    /// As [`of`](Self::of), if `/proc` is not this pid namespace's.
    pub fn current() -> Result<Self, ProcessError> {
        Self::of(std::process::id())
    }

    /// Whether the process still runs: the same boot, the same start time, and no zombie.
    ///
    /// # Errors
    /// If it is unknown. The process may run then, or not.
    pub fn is_alive(&self) -> Result<bool, ProcessError> {
        match self.open() {
            Ok(_) => Ok(true),
            Err(ProcessError::Gone { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Opens a handle, if the process still runs.
    pub(crate) fn open(&self) -> Result<system::Handle, ProcessError> {
        let gone = |gone| ProcessError::Gone { pid: self.pid, gone };
        if system::boot_id()? != self.boot_id {
            return Err(gone(Gone::OtherBoot));
        }
        let handle = system::Handle::open(self.pid)?;
        if handle.start_time()? != self.start_time {
            return Err(gone(Gone::Reused));
        }
        handle.check_runs()?;
        Ok(handle)
    }
}
