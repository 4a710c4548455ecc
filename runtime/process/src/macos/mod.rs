//! Processes on macOS: libproc (through sysinfo), kqueue, and the credentials of sockets.
//!
//! The compiler has checked this code, but it has never run.
//!
//! macOS has no pid namespaces, and a start time is in seconds since 1970, so boots need not be distinguished.

mod credentials;
mod handle;
mod table;
mod watch;

pub(crate) use credentials::Credentials;
pub(crate) use handle::Handle;
pub use table::Proc;
pub(crate) use watch::Watch;

use crate::ProcessError;

/// All processes are in one namespace.
pub(crate) fn pid_namespace() -> Option<u64> {
    None
}

/// The start time suffices.
pub(crate) fn boot_id() -> Result<&'static str, ProcessError> {
    Ok("")
}
