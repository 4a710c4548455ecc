//! Who says that a process is an owner's, and whether that is believed.

use lastword_process::{NotVisible, Peer, Process, WatchError, Watched};

/// Who says that a process is an owner's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Witness<'a> {
    /// Who is at the other end of the Unix socket.
    Peer(&'a Peer),
    /// A process of our own user, which has left its word where nobody else can write.
    OwnUser,
    /// Somebody who cannot be seen.
    Nobody,
}

/// Why a process is not watched.
pub(super) enum Unbelieved {
    /// It is gone.
    Gone,
    /// Why it is not believed.
    Not(String),
}

impl Witness<'_> {
    /// Watches the process, if it is believed.
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
