//! Why there is no copy.
//!
//! To the guest all of these look the same: the file is not there. The difference is for the operator's log, so each has
//! a [name](TranscriptError::name) to search for, and none repeats the path, which is an owner's text.

use std::{fmt, io};

use thiserror::Error;

/// The text of a grant's root cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadRoot {
    /// It does not begin with `/`.
    #[error("the root must be an absolute path, such as /var/lib/agents/{{tenant}}")]
    Relative,
    /// It is `/`.
    #[error(
        "the root / would let plugins read every file of the machine: name the directory in which the owner keeps transcripts"
    )]
    Everything,
    /// It has a `.` or a `..` in it.
    #[error("the root must not have . or .. in it: write the directory's whole path")]
    Dots,
    /// A brace that is not part of a whole component `{tenant}`.
    #[error(
        "the only braces a root may have are {{tenant}}, as a whole component: /var/lib/agents/{{tenant}}/sessions"
    )]
    Braces,
    /// `{tenant}` twice.
    #[error("the root names {{tenant}} more than once")]
    TenantTwice,
    /// A NUL or another control character.
    #[error("the root has a control character in it")]
    ControlCharacter,
}

/// Why a transcript was not copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The tenant's name is no name of a directory, so there is no directory of this tenant.
    #[error("the tenant's name cannot be the name of a directory, and the grant's root has one directory per tenant")]
    TenantName,
    /// The uri is no absolute path and no `file:` uri of this machine.
    #[error("the owner's uri names no file of this machine: only absolute paths and file:/// uris can be read")]
    Opaque,
    /// The path is not below the root, or has a `.` or `..` in it, or leads into the copies of other calls.
    #[error(
        "the transcript is not below the grant's root: if plugins should read it, set `root` to the directory in which the \
         owner keeps its transcripts"
    )]
    OutsideRoot,
    /// The path has more than [`MAX_DEPTH`](crate::limits::MAX_DEPTH) names.
    #[error("the transcript is more than {max} directories deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The operator's part of the root cannot be opened.
    #[error("the grant's root cannot be opened: create the directory, or correct `root`")]
    NoRoot(#[source] io::Error),
    /// There is no such file (any more).
    #[error("there is no such file")]
    Gone,
    /// The path has a symbolic link below the root, which is never followed.
    #[error(
        "the path has a symbolic link at or below {{tenant}}, or below the root: set `root` to where the files really are"
    )]
    Link,
    /// It has more than one name, and the other may be another tenant's.
    #[error(
        "the file has several hard links, and the others may be another tenant's: only a file with one name is copied"
    )]
    HardLink,
    /// There is something of this name that is no regular file.
    #[error("the path names a {0}, not a file")]
    NotAFile(Kind),
    /// The caller raised the flag: the call that it was for is over.
    #[error("the call ended before its transcript was copied")]
    Cancelled,
    /// The operating system refused.
    #[error("cannot {during}")]
    Io {
        /// What was being done: "open the transcript", "write the copy", …
        during: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl TranscriptError {
    /// A short name of the cause that does not change, for logs and for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::TenantName => "tenant-name",
            Self::Opaque => "opaque",
            Self::OutsideRoot => "outside-root",
            Self::TooDeep { .. } => "too-deep",
            Self::NoRoot(_) => "no-root",
            Self::Gone => "gone",
            Self::Link => "link",
            Self::HardLink => "hard-link",
            Self::NotAFile(_) => "not-a-file",
            Self::Cancelled => "cancelled",
            Self::Io { .. } => "io",
        }
    }

    /// For `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(during: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { during, source: source.into() }
    }
}

/// What was found in the place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
    /// A character or block device.
    Device,
    /// Something that this crate does not know.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "directory",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Other => "thing that is no file",
        })
    }
}
