//! Why a spool cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use lastword_events::text::printable_path;
use thiserror::Error;

use crate::limits::{MAX_EVENTS, MAX_EVENTS_BYTES, MAX_PAYLOAD_BYTES};
use crate::private_directory::NotPrivate;

/// Why a spool cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Other users could put events into the directory.
    #[error("the spool {} cannot be used: {why}; name another directory with --spool", printable_path(directory))]
    NotPrivate {
        /// The spool's directory.
        directory: PathBuf,
        /// The directory's problem.
        why: NotPrivate,
    },
    /// There is no room for one more event. The waiting events are kept.
    #[error(
        "the spool {} is full: {events} events of {bytes} bytes wait, and {MAX_EVENTS} of \
         {MAX_EVENTS_BYTES} bytes may; start `lastword serve`, which takes them in",
        printable_path(directory)
    )]
    Full {
        /// The spool's directory.
        directory: PathBuf,
        /// The number of waiting events.
        events: usize,
        /// The size of the waiting events, in bytes.
        bytes: u64,
    },
    /// There is no room for one more refused event.
    #[error("{} holds as many events as are kept: look at them, and remove them", printable_path(directory))]
    KeptFull {
        /// The directory.
        directory: PathBuf,
    },
    /// No daemon would take a payload of this size.
    #[error("the payload has {bytes} bytes, and may have {MAX_PAYLOAD_BYTES}")]
    TooLarge {
        /// The payload's size, in bytes.
        bytes: usize,
    },
    /// Another daemon takes the events in.
    #[error("the spool {} is taken in by another daemon already", printable_path(directory))]
    Taken {
        /// The spool's directory.
        directory: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {during} {}: {why}", printable_path(path))]
    Io {
        /// The operation: "write", "remove", …
        during: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        why: io::Error,
    },
}

impl SpoolError {
    /// Makes a closure for `map_err`.
    pub(crate) fn io(during: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |why| Self::Io { during, path, why }
    }
}
