//! The peer of a Unix socket, and whether its statements are believed.

use std::os::fd::AsFd;

use crate::system;
use crate::{NotVisible, Process, ProcessError, Watched};

/// The peer of a Unix socket: the process that connected, and its user at that time.
///
/// Ask for it as soon as a connection is accepted. A peer that has left by then is not believed about processes,
/// because its pid namespace is unknown.
#[derive(Debug)]
pub struct Peer {
    credentials: system::Credentials,
}

impl Peer {
    /// Returns the peer of this socket.
    ///
    /// # Errors
    /// [`ProcessError::NoPeer`] if it is no connected Unix socket, [`ProcessError::NotSupported`] if the system does
    /// not tell.
    pub fn of(socket: impl AsFd) -> Result<Self, ProcessError> {
        Ok(Self { credentials: system::Credentials::of(socket.as_fd())? })
    }

    /// Returns the peer's user when it connected, as a uid of this user namespace.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.credentials.uid()
    }

    /// Returns the peer's pid. `None` if it is in another pid namespace, or left before its namespace could be read.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.credentials.pid()
    }

    /// Watches the process that this peer names as its owner, if the statement may be believed: peer and process are in
    /// this pid namespace, the process began at the stated time, and it belongs to the peer's user.
    ///
    /// # Errors
    /// [`NotVisible::Gone`] is the owner's death. All other errors mean that the peer is not believed: the answer is
    /// [`NotVisible::CODE`], the advice [`NotVisible::HINT`].
    pub fn verify(&self, claimed: &Process) -> Result<Watched, NotVisible> {
        self.credentials.check_namespace()?;
        self.credentials.check_user()?;
        if system::boot_id()? != claimed.boot_id {
            return Err(NotVisible::OtherBoot);
        }
        let handle = system::Handle::open(claimed.pid)?;
        if handle.start_time()? != claimed.start_time {
            return Err(NotVisible::OtherStartTime { pid: claimed.pid });
        }
        if handle.uid()? != self.credentials.uid() {
            return Err(NotVisible::OtherUser { pid: claimed.pid });
        }
        // Only now, because a zombie that is another process is no death.
        handle.check_runs()?;
        Ok(Watched::over(claimed.clone(), handle)?)
    }
}
