//! Who is at the other end of a Unix socket, and whether it is believed.

use std::os::fd::AsFd;

use crate::system;
use crate::{NotVisible, Process, ProcessError, Watched};

/// Who is at the other end of a Unix socket: the process that connected, and its user at that time.
///
/// It is to be asked for as soon as a connection is accepted. A peer that has left by then is not believed about processes,
/// because nobody can see its pid namespace any more.
#[derive(Debug)]
pub struct Peer {
    credentials: system::Credentials,
}

impl Peer {
    /// Who is at the other end of this socket.
    ///
    /// # Errors
    /// [`ProcessError::NoPeer`] if it is no connected Unix socket, [`ProcessError::NotSupported`] where this cannot be asked.
    pub fn of(socket: impl AsFd) -> Result<Self, ProcessError> {
        Ok(Self { credentials: system::Credentials::of(socket.as_fd())? })
    }

    /// The user that it was when it connected, as a number of this user namespace.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.credentials.uid()
    }

    /// Its number. None if it is in another pid namespace, or left before that could be seen.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.credentials.pid()
    }

    /// Watches the process that this peer names as its owner, if it may be believed: peer and process are in this pid
    /// namespace, the process began when the peer says, and it is the peer's user's.
    ///
    /// # Errors
    /// [`NotVisible::Gone`] is the owner's death. Everything else says that the peer is not believed: the answer is
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
        // Only now: a zombie that is not the process meant is nobody's death.
        handle.check_runs()?;
        Ok(Watched::over(claimed.clone(), handle)?)
    }
}
