//! What nodes and JetStream say to each other.

use bytes::Bytes;
use lastword_cluster::Entry;
use lastword_jetstream::chain::Heard;
pub(crate) use lastword_stream::Publish;

/// A stream, by its number in the run. 0 is that of the registry, the others are journals.
pub(crate) type StreamId = usize;

/// The registry's.
pub(crate) const REGISTRY: StreamId = 0;

/// A run of a node: the node's number, and the how many-th run it is. What comes for a run that is over finds nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunId {
    pub(crate) node: usize,
    pub(crate) run: u32,
}

/// A question to a stream's leader.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) from: RunId,
    pub(crate) number: u64,
    pub(crate) whose: Whose,
    /// The journal that it is about. What concerns entries goes to the registry's leader all the same.
    pub(crate) journal: StreamId,
    pub(crate) asks: Asks,
}

/// Which part of a node asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Writer,
    Opening,
    Member,
}

#[derive(Debug, Clone)]
pub(crate) enum Asks {
    Publish(Publish),
    /// For the message with this sequence.
    Message(u64),
    /// For the last sequence.
    Info,
    /// For the last fence.
    LastFence,
    /// To take the messages below this sequence away. Nobody waits for the answer.
    Purge(u64),
    /// To make the stream.
    Create,
    /// To change an entry that has this revision.
    Update {
        entry: Entry,
        expected: u64,
    },
    /// To delete the journal, whose entry has this revision.
    Delete {
        expected: u64,
    },
}

/// What a leader says.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Heard(Heard),
    Fence(Option<(u64, Bytes)>),
    Created,
    Updated { revision: u64 },
    Refused,
    Deleted,
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) to: RunId,
    pub(crate) number: u64,
    pub(crate) whose: Whose,
    pub(crate) journal: StreamId,
    pub(crate) answer: Answer,
}
