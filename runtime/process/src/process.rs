//! One process, told from every other one.

use serde::{Deserialize, Serialize};

use crate::system;
use crate::{Gone, ProcessError};

/// A process as no other one is: its number, when it began, and the boot in which it did.
///
/// As JSON it is what a client says of an owner: `{"pid":4242,"start_time":81234,"boot_id":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its number, in the pid namespace of who reads it.
    pub pid: u32,
    /// When it began, in clock ticks since the boot: field 22 of `/proc/PID/stat`. It stays the same when the process executes
    /// another program. On macOS it is in seconds since 1970.
    pub start_time: u64,
    /// The boot in which it began: `/proc/sys/kernel/random/boot_id`. On macOS it is empty: the start time
    /// says it already.
    pub boot_id: String,
}

/// What tells the pid namespace of the process that calls from the others of this machine: numbers of processes mean the
/// same to two processes of one namespace. None where all processes are in one, and where nobody can tell.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    system::pid_namespace()
}

impl Process {
    /// The process of this number, which runs now.
    ///
    /// # Errors
    /// [`ProcessError::Gone`] if none runs, a zombie included. Otherwise why nothing can be known of it.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let handle = system::Handle::open(pid)?;
        let process = Self { pid, start_time: handle.start_time()?, boot_id: system::boot_id()?.to_owned() };
        handle.check_runs()?;
        Ok(process)
    }

    /// The process that calls.
    ///
    /// # Errors
    /// As [`of`](Self::of), if `/proc` is not this pid namespace's.
    pub fn current() -> Result<Self, ProcessError> {
        Self::of(std::process::id())
    }

    /// Whether it still runs: the same boot, the same start time, and no zombie.
    ///
    /// # Errors
    /// If nobody can tell. It may run then, or not.
    pub fn is_alive(&self) -> Result<bool, ProcessError> {
        match self.open() {
            Ok(_) => Ok(true),
            Err(ProcessError::Gone { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// A handle to it, if it still runs.
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
