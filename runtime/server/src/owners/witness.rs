//! The witness that names an owner's process, and whether the server believes it.

use lastword_process::{NotVisible, Peer, Process, WatchError, Watched};

/// The witness that names an owner's process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Witness<'a> {
    /// The peer at the other end of the Unix socket.
    Peer(&'a Peer),
    /// A process of our own user, which left its hook where nobody else can write.
    OwnUser,
    /// A client that the server cannot see.
    Nobody,
}

/// Why a process is not watched.
pub(super) enum Unbelieved {
    /// The process is gone.
    Gone,
    /// The server does not believe the process, for this reason.
    Not(String),
}

impl Witness<'_> {
    /// Watches the process, if the server believes it.
    pub(super) fn believe(self, process: &Process) -> Result<Watched, Unbelieved> {
        match self {
            Self::Peer(peer) => peer.verify(process).map_err(|why| match why {
                NotVisible::Gone(_) => Unbelieved::Gone,
                why => Unbelieved::Not(why.to_string()),
            }),
            Self::OwnUser => Watched::begin(process).map_err(|why| match why {
                WatchError::Gone(_) => Unbelieved::Gone,
                why => Unbelieved::Not(why.to_string()),
            }),
            Self::Nobody => {
                let why = "a process can be seen only by whoever comes over the Unix socket";
                Err(Unbelieved::Not(why.to_owned()))
            }
        }
    }
}
