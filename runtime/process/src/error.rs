//! The errors of looking up, watching and believing a process.
//!
//! Each case is one that an operator can act on, or that a caller distinguishes. Above all, *gone* is separate: it is
//! an owner's death, while all other cases only say that the state is unknown.

use std::io;

use thiserror::Error;

/// The proof that a process does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Gone {
    /// No process has this number.
    #[error("there is no such process")]
    NoProcess,
    /// The process has ended, and its parent has not read its exit code yet.
    #[error("it has ended, and its parent has not asked for its exit code yet")]
    Zombie,
    /// Another process has the number now: it began at another time.
    #[error("its number is another process's now")]
    Reused,
    /// The machine has been started again since.
    #[error("the machine has been started again since")]
    OtherBoot,
}

/// Why a process cannot be looked up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The process does not run.
    #[error("process {pid}: {gone}")]
    Gone {
        /// The number that was looked up.
        pid: u32,
        /// The proof.
        gone: Gone,
    },
    /// The number is no pid: it is 0, or more than 2³¹ − 1.
    #[error("{pid} cannot be the number of a process")]
    NotAPid {
        /// The number that was looked up.
        pid: u32,
    },
    /// The number is that of a thread, and not of the thread's process.
    #[error("{pid} is a thread: name the process that it belongs to")]
    Thread {
        /// The number that was looked up.
        pid: u32,
    },
    /// The process exists, but is hidden from this user, as when `/proc` is mounted with `hidepid`.
    #[error(
        "nothing of process {pid} is shown to this user: mount /proc without hidepid, or add the user to the group of its \
         option gid="
    )]
    Hidden {
        /// The number that was looked up.
        pid: u32,
    },
    /// `/proc` does not exist, so no process can be looked up.
    #[error("there is no /proc: mount it")]
    NoProc,
    /// `/proc` belongs to another pid namespace, so its numbers mean other processes.
    #[error("/proc shows another pid namespace than the one that this process is in: mount one of its own")]
    ForeignProc,
    /// A file of `/proc` does not have the format of the kernel's documentation.
    #[error("{file} cannot be understood")]
    Unreadable {
        /// The file's path.
        file: String,
    },
    /// The socket has no peer, or is no Unix socket.
    #[error("the socket is no connected Unix socket")]
    NoPeer,
    /// This crate does not support the operation on this system.
    #[error("not supported on this system: use a lease")]
    NotSupported,
    /// The operating system refused.
    #[error("cannot {during}")]
    Io {
        /// The operation: "open a pidfd", "read /proc/7/stat", …
        during: String,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

impl ProcessError {
    /// Returns a short stable name of the cause, for logs and for counting.
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
    /// Returns a short stable name, for logs and for counting.
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
    /// The process does not run any more. An owner that lived by it is dead.
    #[error("the process is gone: {0}")]
    Gone(Gone),
    /// Whether the process runs is unknown.
    #[error(transparent)]
    Process(ProcessError),
    /// There is no tokio runtime that could wait for the process.
    #[error("a process can only be watched within a tokio runtime")]
    NoRuntime,
    /// The runtime cannot wait for the process: too many files are open, or too many are watched
    /// (`fs.epoll.max_user_watches`).
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

/// Why a peer's statement about a process is not believed. All but [`Gone`](Self::Gone) have the same answer
/// [`CODE`](Self::CODE) and the same advice [`HINT`](Self::HINT); the message tells the case.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotVisible {
    /// The process is dead already: it was one of this pid namespace, and its number is free or a zombie's.
    #[error("the process is gone: {0}")]
    Gone(Gone),
    /// The peer is of another boot: it is on another machine, and a relay connects it.
    #[error("the process is of another boot than this machine's")]
    OtherBoot,
    /// The peer is in another pid namespace, as in a container: its numbers mean other processes than here.
    #[error("the peer is in another pid namespace, where numbers mean other processes")]
    OtherPidNamespace,
    /// The peer was gone before its pid namespace could be read.
    #[error("the peer left before its pid namespace could be seen: it has to wait for the answer")]
    PeerGone,
    /// The process of this number began at another time than the peer says.
    #[error("process {pid} began at another time than the peer says")]
    OtherStartTime {
        /// The pid in the peer's statement.
        pid: u32,
    },
    /// The process belongs to another user.
    #[error("process {pid} is another user's than the peer")]
    OtherUser {
        /// The pid in the peer's statement.
        pid: u32,
    },
    /// The peer's user has no number in this user namespace, so it cannot be distinguished from other such users.
    #[error("the peer's user is not mapped into this user namespace")]
    UnmappedUser,
    /// The process cannot be looked up, for this reason.
    #[error(transparent)]
    Process(ProcessError),
    /// The process is believed, but cannot be watched. The peer has made no mistake.
    #[error(transparent)]
    Watch(WatchError),
}

impl NotVisible {
    /// The code of the answer to a peer that is not believed.
    pub const CODE: &'static str = "not_visible";

    /// The remedy for a peer that is not believed.
    pub const HINT: &'static str = "use a lease";

    /// Returns a short stable name of the cause, for logs and for counting.
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
