//! What a member asks to be done, and what it is answered.

use lastword_events::JournalName;

use crate::Entry;

/// What a member asks to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Publish a heartbeat under the name of the member's run, on core NATS: no JetStream, so that an election there silences nobody.
    Beat,
    /// The entry of a new journal is in the registry, and the journal is this member's own: make it and fence it.
    /// [`Member::begun`](crate::Member::begun) is the answer.
    Begin {
        /// The journal.
        name: JournalName,
    },
    /// The registry has the epoch of the own journal: from now on anything may be accepted, and nothing before.
    Ready,
    /// Ask the leader of that journal's stream where the stream ends. [`Member::stream`](crate::Member::stream) is the answer.
    Look {
        /// The journal.
        name: JournalName,
    },
    /// Write an entry if the registry has the expected revision of it. [`Member::answered`](crate::Member::answered) is the answer, with the
    /// same entry. What was not answered within 2 s must not be sent later.
    Update {
        /// The journal.
        name: JournalName,
        /// What to write.
        entry: Entry,
        /// The revision that it replaces; 0 for an entry that is not there.
        expected: u64,
    },
    /// The registry says that the journal is this member's: append a fence, read it, end what was active there and make what is owed.
    /// [`Member::taken`](crate::Member::taken) is the answer. For the [own journal](crate::Member::name) it is how a node goes on with
    /// what it had before it started.
    TakeOver {
        /// The journal.
        name: JournalName,
        /// What the registry has of it.
        entry: Entry,
    },
    /// The registry says that the journal is another's: stop everything of it. For the own journal that is the end of this run.
    Drop {
        /// The journal.
        name: JournalName,
        /// The run that has it; `None` when it is not in the registry any more.
        by: Option<JournalName>,
    },
    /// Delete the journal's stream, and then its entry if it has that revision. [`Member::discarded`](crate::Member::discarded) is the
    /// answer.
    Discard {
        /// The journal.
        name: JournalName,
        /// The revision of the entry that says *empty*.
        revision: u64,
    },
    /// Nothing is heard any more, not even the own heartbeat: operators should know. Nothing has to stop; the stream refuses whoever
    /// is not the owner any more.
    CutOff,
    /// Something is heard again, after a `CutOff`.
    Connected,
    /// The registry has everything that the others need: the process may end.
    Left,
}

/// What came of an [`Action::Update`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cas {
    /// It is written.
    Done {
        /// The entry's revision now.
        revision: u64,
    },
    /// The entry has another revision. What it says will come from the watch.
    Refused,
    /// Nobody knows: no answer, or nobody to ask.
    Unknown,
}

/// What an [`Action::Look`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The sequence of the last message.
    At(u64),
    /// There is no such stream.
    Gone,
    /// No answer: JetStream has no leader, or cannot be reached.
    Unanswered,
}

/// What came of an [`Action::TakeOver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenOver {
    /// The fence is there and the journal is read.
    Done {
        /// The fence's sequence.
        epoch: u64,
    },
    /// Another's fence was first. As long as the registry says otherwise, it is tried again.
    Beaten,
    /// JetStream does not answer, or the journal cannot be served here. It is tried again, and after some tries another's journal is left to
    /// the others.
    Unavailable,
    /// There is no such stream. One such answer may be of a server that has just started, so it is asked again. Then the journal is lost if
    /// the registry has an epoch of it, and else it never began.
    Gone,
    /// The stream is there, and cannot be read. It is left as it is.
    Damaged,
}

/// What a node that leaves has left in its own journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Something is owed, or sessions are active: others take it over at once.
    Owed,
    /// Nothing is owed, but plugins have stored something: it waits for this node.
    Values,
    /// Nothing at all: it is deleted.
    Nothing,
    /// Whatever it is, it is for the next run of this node. The others are told nothing; they take it over when that run does not come.
    Successor,
}
