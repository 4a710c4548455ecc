//! The kernel's information about the peer of a Unix socket.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{LocalPeerCred, LocalPeerPid};

use crate::{NotVisible, ProcessError};

#[derive(Debug)]
pub(crate) struct Credentials {
    uid: u32,
    pid: Option<u32>,
}

impl Credentials {
    pub(crate) fn of(socket: BorrowedFd<'_>) -> Result<Self, ProcessError> {
        let uid = getsockopt(&socket, LocalPeerCred).map_err(refused)?.uid();
        let pid = getsockopt(&socket, LocalPeerPid).map_err(refused)?;
        Ok(Self { uid, pid: u32::try_from(pid).ok().filter(|pid| *pid != 0) })
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Pids mean the same everywhere.
    pub(crate) fn check_namespace(&self) -> Result<(), NotVisible> {
        self.pid.map(|_| ()).ok_or(NotVisible::PeerGone)
    }

    /// All users have uids.
    pub(crate) fn check_user(&self) -> Result<(), NotVisible> {
        Ok(())
    }
}

fn refused(errno: Errno) -> ProcessError {
    match errno {
        Errno::ENOTSOCK | Errno::ENOTCONN | Errno::EOPNOTSUPP | Errno::ENOPROTOOPT | Errno::EINVAL => {
            ProcessError::NoPeer
        }
        errno => ProcessError::Io { during: "ask who is at the other end of the socket".into(), source: errno.into() },
    }
}
