//! Which host call a guest is in: the engine names none, and a guest that is cut while it waits is told for what it
//! waited.
//!
//! Only calls of three interfaces can wait. [`linker`](crate::linker) links each so that looking up its state, which happens at
//! the beginning of every call, also writes down which it is.

/// An interface with calls that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostCall {
    Poll,
    Streams,
    Files,
}

impl HostCall {
    const ALL: [Self; 3] = [Self::Poll, Self::Streams, Self::Files];

    /// From 1: 0 is for none of them.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Poll => 1,
            Self::Streams => 2,
            Self::Files => 3,
        }
    }

    pub(crate) fn of_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.number() == number)
    }

    /// With those of its calls that wait.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "wasi:io/poll (poll or pollable.block)",
            Self::Streams => "wasi:io/streams (a blocking read or write)",
            Self::Files => "wasi:filesystem",
        }
    }
}
