//! Processes on Linux: `/proc`, pidfds and the credentials of sockets.

mod credentials;
mod fields;
mod handle;
mod namespace;
mod proc_files;
mod table;
mod watch;

pub(crate) use credentials::Credentials;
pub(crate) use handle::Handle;
pub(crate) use namespace::pid_namespace;
pub(crate) use proc_files::boot_id;
pub use table::Proc;
pub(crate) use watch::Watch;
