//! What the kernel knows of who is at the other end of a Unix socket.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};

use super::fields::{maps_everybody, numbers_in_namespaces, pid_of_pidfd};
use super::handle::Handle;
use super::proc_files;
use crate::{NotVisible, ProcessError};

/// What the kernel says where there is nobody at the other end: (uid_t) −1.
const NOBODY: u32 = u32::MAX;

/// Where a peer has its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PidNamespace {
    /// In this pid namespace.
    Ours { pid: u32 },
    /// In one below, above or beside this one.
    Other,
    /// The peer is gone, so nobody can tell.
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

    /// Refuses a peer whose numbers may mean other processes than ours.
    pub(crate) fn check_namespace(&self) -> Result<(), NotVisible> {
        match self.namespace {
            PidNamespace::Ours { .. } => Ok(()),
            PidNamespace::Other => Err(NotVisible::OtherPidNamespace),
            PidNamespace::Unknown => Err(NotVisible::PeerGone),
        }
    }

    /// Refuses a peer whose user is shown as the number that all users have who are not mapped into this user namespace.
    pub(crate) fn check_user(&self) -> Result<(), NotVisible> {
        let overflow = proc_files::read_always("/proc/sys/kernel/overflowuid")?;
        let is_overflow = overflow.trim().parse() == Ok(self.uid);
        if is_overflow && !maps_everybody(&proc_files::read_always("/proc/self/uid_map")?) {
            return Err(NotVisible::UnmappedUser);
        }
        Ok(())
    }
}

/// In which pid namespace the peer is. `pid` is its number as the kernel translates it for us: 0 if it has none here.
fn namespace(socket: BorrowedFd<'_>, pid: i32) -> Result<PidNamespace, ProcessError> {
    let Some(pid) = u32::try_from(pid).ok().filter(|pid| *pid != 0) else { return Ok(PidNamespace::Other) };
    let Some(pidfd) = pidfd_of_peer(socket, pid)? else { return Ok(PidNamespace::Unknown) };
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    Ok(namespace_in(&proc_files::read_always(&path)?, pid))
}

/// A pidfd of the peer; none if it is gone.
fn pidfd_of_peer(socket: BorrowedFd<'_>, pid: u32) -> Result<Option<OwnedFd>, ProcessError> {
    match getsockopt(&socket, PeerPidfd) {
        Ok(pidfd) => Ok(Some(pidfd)),
        // It has ended, and its parent has asked for its exit code. Since Linux 6.16 there is a pidfd for it nevertheless.
        Err(Errno::ESRCH | Errno::EINVAL) => Ok(None),
        // Before Linux 6.5.
        Err(Errno::ENOPROTOOPT) => pidfd_of_number(pid),
        Err(errno) => Err(refused(errno)),
    }
}

/// A pidfd of the process that has the peer's number now; none if nobody has. It may be another one than the peer.
fn pidfd_of_number(pid: u32) -> Result<Option<OwnedFd>, ProcessError> {
    match Handle::open(pid) {
        Ok(handle) => Ok(Some(handle.into_pidfd())),
        Err(ProcessError::Gone { .. } | ProcessError::Thread { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What a pidfd's `fdinfo` says of the namespace. Before Linux 5.5 it does not say, and then nobody is believed.
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
