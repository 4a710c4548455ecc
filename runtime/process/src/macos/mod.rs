//! What macOS knows of processes: libproc (through sysinfo), kqueue, and the credentials of sockets.
//!
//! The compiler has checked this. Nobody has run it yet.
//!
//! macOS has no pid namespaces, and a start time is in seconds since 1970, so that no boot has to be told from another.

mod credentials;
mod handle;
mod table;
mod watch;

pub(crate) use credentials::Credentials;
pub(crate) use handle::Handle;
pub use table::Proc;
pub(crate) use watch::Watch;

use crate::ProcessError;

/// There is one for all processes.
pub(crate) fn pid_namespace() -> Option<u64> {
    None
}

/// A start time says it all.
pub(crate) fn boot_id() -> Result<&'static str, ProcessError> {
    Ok("")
}
