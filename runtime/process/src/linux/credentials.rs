//! The kernel's information about the peer of a Unix socket.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};

use super::fields::{maps_everybody, numbers_in_namespaces, pid_of_pidfd};
use super::handle::Handle;
use super::proc_files;
use crate::{NotVisible, ProcessError};

/// The kernel's uid of a missing peer: (uid_t) −1.
const NOBODY: u32 = u32::MAX;

/// The pid namespace of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PidNamespace {
    /// In this pid namespace.
    Ours { pid: u32 },
    /// In a namespace below, above or next to this one.
    Other,
    /// The peer is gone, so its namespace is unknown.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Credentials {
    uid: u32,
    namespace: PidNamespace,
}

impl Credentials {
    pub(crate) fn of(socket: BorrowedFd<'_>) -> Result<Self, ProcessError> {
        proc_files::check()?;
        let credentials = getsockopt(&socket, PeerCredentials).map_err(refused)?;
        if credentials.uid() == NOBODY {
            return Err(ProcessError::NoPeer);
        }
        Ok(Self { uid: credentials.uid(), namespace: namespace(socket, credentials.pid())? })
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match self.namespace {
            PidNamespace::Ours { pid } => Some(pid),
            PidNamespace::Other | PidNamespace::Unknown => None,
        }
    }

    /// Refuses a peer whose pids may mean other processes than ours.
    pub(crate) fn check_namespace(&self) -> Result<(), NotVisible> {
        match self.namespace {
            PidNamespace::Ours { .. } => Ok(()),
            PidNamespace::Other => Err(NotVisible::OtherPidNamespace),
            PidNamespace::Unknown => Err(NotVisible::PeerGone),
        }
    }

    /// Refuses a peer whose uid is the one of all users that are not mapped into this user namespace.
    pub(crate) fn check_user(&self) -> Result<(), NotVisible> {
        let overflow = proc_files::read_always("/proc/sys/kernel/overflowuid")?;
        let is_overflow = overflow.trim().parse() == Ok(self.uid);
        if is_overflow && !maps_everybody(&proc_files::read_always("/proc/self/uid_map")?) {
            return Err(NotVisible::UnmappedUser);
        }
        Ok(())
    }
}

/// Returns the peer's pid namespace. `pid` is the peer's pid as the kernel translates it for us: 0 if it has none here.
fn namespace(socket: BorrowedFd<'_>, pid: i32) -> Result<PidNamespace, ProcessError> {
    let Some(pid) = u32::try_from(pid).ok().filter(|pid| *pid != 0) else { return Ok(PidNamespace::Other) };
    let Some(pidfd) = pidfd_of_peer(socket, pid)? else { return Ok(PidNamespace::Unknown) };
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    Ok(namespace_in(&proc_files::read_always(&path)?, pid))
}

/// Returns a pidfd of the peer. `None` if it is gone.
fn pidfd_of_peer(socket: BorrowedFd<'_>, pid: u32) -> Result<Option<OwnedFd>, ProcessError> {
    match getsockopt(&socket, PeerPidfd) {
        Ok(pidfd) => Ok(Some(pidfd)),
        // The peer has ended, and its parent has read its exit code. Since Linux 6.16 there is a pidfd all the same.
        Err(Errno::ESRCH | Errno::EINVAL) => Ok(None),
        // Before Linux 6.5.
        Err(Errno::ENOPROTOOPT) => pidfd_of_number(pid),
        Err(errno) => Err(refused(errno)),
    }
}

/// Returns a pidfd of the process that has the peer's pid now, which may be another one. `None` if no process has it.
fn pidfd_of_number(pid: u32) -> Result<Option<OwnedFd>, ProcessError> {
    match Handle::open(pid) {
        Ok(handle) => Ok(Some(handle.into_pidfd())),
        Err(ProcessError::Gone { .. } | ProcessError::Thread { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Returns the namespace in a pidfd's `fdinfo`. Before Linux 5.5 the file does not tell it, and then no peer is
/// believed.
fn namespace_in(fdinfo: &str, pid: u32) -> PidNamespace {
    if pid_of_pidfd(fdinfo).is_none_or(|number| number < 0) {
        return PidNamespace::Unknown;
    }
    match numbers_in_namespaces(fdinfo).as_deref() {
        Some([number]) if u32::try_from(*number) == Ok(pid) => PidNamespace::Ours { pid },
        _ => PidNamespace::Other,
    }
}

fn refused(errno: Errno) -> ProcessError {
    match errno {
        Errno::ENOTSOCK | Errno::ENOTCONN | Errno::EOPNOTSUPP | Errno::ENODATA => ProcessError::NoPeer,
        errno => ProcessError::Io { during: "ask who is at the other end of the socket".into(), source: errno.into() },
    }
}

#[cfg(test)]
mod tests;
