//! What operators are told of a journal.

use std::fmt;
use std::time::Duration;

use lastword_events::JournalName;
use lastword_journal::JournalError;

pub use crate::stream::Replica;

/// The state of a journal, as its writer last knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStatus {
    /// The journal.
    pub journal: JournalName,
    /// Its stream.
    pub stream: String,
    /// The sequence of the fence behind which it writes.
    pub epoch: u64,
    /// The sequence of the last message that was acknowledged.
    pub last_sequence: u64,
    /// The size of the stream, in bytes.
    pub bytes: u64,
    /// How large the stream may become, in bytes.
    pub max_bytes: u64,
    /// How many writes wait to be acknowledged.
    pub waiting: usize,
    /// How long nothing was acknowledged although something waits.
    pub silent_for: Option<Duration>,
    /// Whether the connection to a server is there.
    pub is_connected: bool,
    /// The copies of the stream.
    pub replicas: Vec<Replica>,
    /// Which server says that it does not keep what it acknowledges, and how. It had proved the contrary.
    pub unproven: Option<String>,
    /// Which servers were asked whether they keep what they acknowledge, and did not answer. They are asked again every 10 s. What they proved
    /// before holds.
    pub unanswered: Option<String>,
    /// Why the journal takes nothing more.
    pub ended: Option<Ended>,
}

/// Why a journal takes nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was released.
    Released,
    /// Another node has taken it over: that one ends its sessions and makes its deliveries.
    TakenOver {
        /// The journal.
        journal: JournalName,
        /// The node, if its fence can be read.
        by: Option<String>,
        /// The sequence of the message that was not ours.
        sequence: u64,
    },
    /// The servers have lost what they had acknowledged.
    Lost {
        /// The journal.
        journal: JournalName,
        /// What was found.
        why: String,
    },
    /// The thread that writes has ended by itself.
    Defect,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("it was released"),
            Self::TakenOver { journal, by, sequence } => {
                let by = by.as_deref().map_or_else(|| "another node".to_owned(), |by| format!("another node, {by},"));
                write!(
                    f,
                    "{by} has taken the journal {journal} over (sequence {sequence} of its stream): it ends the sessions and makes the \
                     deliveries, and nothing more is recorded here; send what was not answered to another node, or start this one again"
                )
            }
            Self::Lost { journal, why } => {
                write!(
                    f,
                    "the servers have lost a part of the journal {journal} that they had acknowledged: {why}; nothing more is recorded"
                )
            }
            Self::Defect => f.write_str("the thread that writes has ended by itself, and the log says why"),
        }
    }
}

impl Ended {
    /// The answer to whatever is asked of the journal from then on.
    pub(crate) fn error(&self) -> JournalError {
        match self {
            Self::Released => JournalError::Closed,
            Self::TakenOver { .. } | Self::Defect => JournalError::Unavailable(self.to_string()),
            Self::Lost { .. } => JournalError::Damaged(self.to_string()),
        }
    }
}
