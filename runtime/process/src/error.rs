//! Why nothing is known of a process, why it is not watched, and why it is not believed.
//!
//! Each case is one that an operator can do something about, or that a caller decides by. Above all, *gone* is apart from
//! everything else: it is an owner's death, while all the rest only says that nobody can tell.

use std::io;

use thiserror::Error;

/// How it is known that a process does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Gone {
    /// No process has this number.
    #[error("there is no such process")]
    NoProcess,
    /// It has ended, and its parent has not asked for its exit code yet.
    #[error("it has ended, and its parent has not asked for its exit code yet")]
    Zombie,
    /// The number is another process's now: that one began at another time.
    #[error("its number is another process's now")]
    Reused,
    /// The machine has been started again since.
    #[error("the machine has been started again since")]
    OtherBoot,
}

/// Why nothing is known of a process.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The process does not run.
    #[error("process {pid}: {gone}")]
    Gone {
        /// The number that was asked for.
        pid: u32,
        /// How it is known.
        gone: Gone,
    },
    /// No process can have this number: it is 0, or more than 2³¹ − 1.
    #[error("{pid} cannot be the number of a process")]
    NotAPid {
        /// The number that was asked for.
        pid: u32,
    },
    /// The number is that of a thread, and not of the process that the thread is of.
    #[error("{pid} is a thread: name the process that it belongs to")]
    Thread {
        /// The number that was asked for.
        pid: u32,
    },
    /// The process is there, but nothing of it is shown to this user, as when `/proc` is mounted with `hidepid`.
    #[error(
        "nothing of process {pid} is shown to this user: mount /proc without hidepid, or add the user to the group of its \
         option gid="
    )]
    Hidden {
        /// The number that was asked for.
        pid: u32,
    },
    /// `/proc` is not there, so nothing can be known of any process.
    #[error("there is no /proc: mount it")]
    NoProc,
    /// `/proc` is another pid namespace's, so that every number in it means another process than here.
    #[error("/proc shows another pid namespace than the one that this process is in: mount one of its own")]
    ForeignProc,
    /// A file of `/proc` does not read as the kernel's documentation says.
    #[error("{file} cannot be understood")]
    Unreadable {
        /// The file's path.
        file: String,
    },
    /// The socket has nobody at the other end, or is no Unix socket.
    #[error("the socket is no connected Unix socket")]
    NoPeer,
    /// This crate can do nothing of this kind on this system.
    #[error("not supported on this system: use a lease")]
    NotSupported,
    /// The operating system refused.
    #[error("cannot {during}")]
    Io {
        /// What was being done: "open a pidfd", "read /proc/7/stat", …
        during: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl ProcessError {
    /// A short name of the cause that does not change, for logs and for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gone { gone, .. } => gone.name(),
            Self::NotAPid { .. } => "not-a-pid",
            Self::Thread { .. } => "thread",
            Self::Hidden { .. } => "hidden",
            Self::NoProc => "no-proc",
            Self::ForeignProc => "foreign-proc",
            Self::Unreadable { .. } => "unreadable",
            Self::NoPeer => "no-peer",
            Self::NotSupported => "not-supported",
            Self::Io { .. } => "io",
        }
    }
}

impl Gone {
    /// A short name that does not change, for logs and for counting.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoProcess => "no-process",
            Self::Zombie => "zombie",
            Self::Reused => "reused",
            Self::OtherBoot => "other-boot",
        }
    }
}

/// Why a process is not watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// It does not run any more. Whoever owned something through it is dead.
    #[error("the process is gone: {0}")]
    Gone(Gone),
    /// Nobody can tell whether it runs.
    #[error(transparent)]
    Process(ProcessError),
    /// There is no tokio runtime here that could wait for it.
    #[error("a process can only be watched within a tokio runtime")]
    NoRuntime,
    /// The runtime cannot wait for it: too many files are open, or too many are waited for (`fs.epoll.max_user_watches`).
    #[error("cannot wait for the process's end")]
    Register(#[source] io::Error),
}

impl From<ProcessError> for WatchError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Gone { gone, .. } => Self::Gone(gone),
            other => Self::Process(other),
        }
    }
}

/// Why a peer's word about a process is not believed. All but [`Gone`](Self::Gone) have the one answer [`CODE`](Self::CODE) and
/// the one advice [`HINT`](Self::HINT); the message says which it is.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotVisible {
    /// The process is dead already: it was one of this pid namespace, and nobody has the number, or a zombie has it.
    #[error("the process is gone: {0}")]
    Gone(Gone),
    /// The peer is of another boot: on another machine, behind something that carries its words here.
    #[error("the process is of another boot than this machine's")]
    OtherBoot,
    /// The peer is in another pid namespace, as in a container: its numbers mean other processes than here.
    #[error("the peer is in another pid namespace, where numbers mean other processes")]
    OtherPidNamespace,
    /// The peer was gone before anybody could see in which pid namespace it was.
    #[error("the peer left before its pid namespace could be seen: it has to wait for the answer")]
    PeerGone,
    /// The process of this number began at another time than the peer says.
    #[error("process {pid} began at another time than the peer says")]
    OtherStartTime {
        /// The number that the peer gave.
        pid: u32,
    },
    /// The process is another user's.
    #[error("process {pid} is another user's than the peer")]
    OtherUser {
        /// The number that the peer gave.
        pid: u32,
    },
    /// The peer's user has no number in this user namespace, so that it cannot be told from others that have none.
    #[error("the peer's user is not mapped into this user namespace")]
    UnmappedUser,
    /// Nothing is known of the process, and why.
    #[error(transparent)]
    Process(ProcessError),
    /// The process may be believed, but it cannot be watched. This is no fault of the peer's.
    #[error(transparent)]
    Watch(WatchError),
}

impl NotVisible {
    /// The code of the answer to who is not believed.
    pub const CODE: &'static str = "not_visible";

    /// What who is not believed can do.
    pub const HINT: &'static str = "use a lease";

    /// A short name of the cause that does not change, for logs and for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gone(gone) => gone.name(),
            Self::OtherBoot => "other-boot",
            Self::OtherPidNamespace => "other-pid-namespace",
            Self::PeerGone => "peer-gone",
            Self::OtherStartTime { .. } => "other-start-time",
            Self::OtherUser { .. } => "other-user",
            Self::UnmappedUser => "unmapped-user",
            Self::Process(error) => error.name(),
            Self::Watch(_) => "watch",
        }
    }
}

impl From<ProcessError> for NotVisible {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Gone { gone, .. } => Self::Gone(gone),
            other => Self::Process(other),
        }
    }
}

impl From<WatchError> for NotVisible {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Gone(gone) => Self::Gone(gone),
            WatchError::Process(error) => Self::Process(error),
            other => Self::Watch(other),
        }
    }
}
