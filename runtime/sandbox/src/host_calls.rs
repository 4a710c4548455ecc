//! Tells the host call in which a guest is. The engine names none, and the report of a guest that was cut while it waited names it.
//!
//! Only calls of three interfaces can wait. [`linker`](crate::linker) links each so that the look-up of its state, which every call
//! begins with, also writes down the interface.

/// An interface with calls that may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostCall {
    Poll,
    Streams,
    Files,
}

impl HostCall {
    const ALL: [Self; 3] = [Self::Poll, Self::Streams, Self::Files];

    /// The number of the interface, from 1. The number 0 stands for all other calls.
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

    /// The interface with its calls that wait.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "wasi:io/poll (poll or pollable.block)",
            Self::Streams => "wasi:io/streams (a blocking read or write)",
            Self::Files => "wasi:filesystem",
        }
    }
}
