//! The append machine: one message in flight, each chained to the one before it. It does no I/O: a driver carries its actions out.

use std::time::Duration;

use bytes::Bytes;

use crate::record::FenceRecord;
use crate::snapshot::Snapshot;
use crate::subjects::Subjects;

/// The end of a chain: all that has to be known to append to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sequence of the fence behind which is written.
    pub epoch: u64,
    /// The sequence of the last message.
    pub last_sequence: u64,
    /// The [`chain_hash`](crate::group::chain_hash) up to that message.
    pub hash: u64,
    /// The number of the last group.
    pub number: u64,
}

/// The append machine. Times are durations since any moment that the driver has chosen, by a clock that does not go back.
#[derive(Debug)]
pub struct Chain {
    _todo: (),
}

/// What the driver has to do. It does one action at a time, and says what it [heard](Heard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish this message and wait for JetStream's acknowledgement. Without one in `timeout`: [`Heard::TimedOut`].
    Publish {
        /// The subject.
        subject: String,
        /// The headers, as names with values.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Bytes,
        /// How long to wait.
        timeout: Duration,
    },
    /// Ask the stream's leader (`STREAM.MSG.GET`, never a direct get) for the message with this sequence.
    Look {
        /// The sequence.
        sequence: u64,
        /// How long to wait.
        timeout: Duration,
    },
    /// Ask for the stream's last sequence (`STREAM.INFO`).
    Info {
        /// How long to wait.
        timeout: Duration,
    },
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// JetStream has stored the message under this sequence.
    Acked {
        /// The sequence.
        sequence: u64,
    },
    /// JetStream has answered with an error.
    Refused {
        /// JetStream's `err_code`, e.g. 10071; without one the `code`, e.g. 503.
        code: u64,
        /// JetStream's description.
        description: String,
    },
    /// The message exceeds the server's `max_payload`: it was not sent.
    TooLarge,
    /// No answer came in time.
    TimedOut,
    /// Nobody listens on the subject: the stream has no leader, or is gone. The connection is lost.
    NoResponders,
    /// The answer to [`Action::Look`].
    Found {
        /// The sequence that was asked for.
        sequence: u64,
        /// The subject and the body of the message. None if there is no such message.
        message: Option<(String, Bytes)>,
    },
    /// The answer to [`Action::Info`].
    Info {
        /// The sequence of the stream's last message.
        last_sequence: u64,
    },
    /// The answer to [`Action::Info`] or [`Action::Look`]: there is no such stream (10059).
    NoStream,
}

/// What has come of records, and what the driver has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The records up to this number are durable.
    Durable {
        /// The number that [`Chain::queue`] gave.
        up_to: u64,
    },
    /// A snapshot is complete: everything below this sequence can be purged.
    Snapshot {
        /// The sequence of the fence with which the snapshot begins.
        purge_below: u64,
        /// The size of the snapshot's messages.
        bytes: u64,
    },
    /// The stream has a message that is not ours where ours had to be: somebody has taken the journal over. Nothing will be durable any more.
    Fenced {
        /// The sequence of that message.
        by: u64,
    },
    /// The stream has no room (10077 and the like). The message is sent again and again.
    Full {
        /// JetStream's description.
        description: String,
    },
    /// The cluster has lost what it had acknowledged, or the whole stream. Nothing will be durable any more in this stream.
    Lost {
        /// What was found.
        why: String,
    },
    /// For a while nothing was acknowledged although something waits: the stream has no quorum, or cannot be reached.
    Silent {
        /// Since when.
        since: Duration,
    },
}

impl Chain {
    /// A chain that goes on at `position`.
    #[must_use]
    pub fn new(subjects: Subjects, position: Position) -> Self {
        let _ = (subjects, position);
        todo!()
    }

    /// Adds a record. Gives its number: 1, 2, ….
    pub fn queue(&mut self, record: Vec<u8>, now: Duration) -> u64 {
        let _ = (record, now);
        todo!()
    }

    /// Writes a snapshot of the state with all records that are queued so far. Messages with records go in between. Another snapshot that is
    /// being written is given up. `fence` is written first, with `begins_run: false`: the stream then begins with it.
    pub fn begin_snapshot(&mut self, snapshot: Snapshot, fence: &FenceRecord, now: Duration) {
        let _ = (snapshot, fence, now);
        todo!()
    }

    /// Whether messages are small, because their acknowledgements are waited for: 64 KiB instead of 256.
    pub fn hurry(&mut self, hurry: bool) {
        let _ = hurry;
        todo!()
    }

    /// What is to be done now. None if nothing is, or before what is under way was heard of.
    pub fn next(&mut self, now: Duration) -> Option<Action> {
        let _ = now;
        todo!()
    }

    /// When to ask [`next`](Self::next) again without having heard of anything. None: not before something is queued or heard.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        todo!()
    }

    /// What came of the action.
    pub fn heard(&mut self, heard: Heard, now: Duration) -> Vec<Effect> {
        let _ = (heard, now);
        todo!()
    }

    /// The end of the chain as far as it is durable.
    #[must_use]
    pub fn position(&self) -> Position {
        todo!()
    }

    /// How many records are queued and not durable.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        todo!()
    }

    /// The bytes of these records.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        todo!()
    }

    /// Since when something waits and nothing was acknowledged. None if nothing waits.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Duration> {
        todo!()
    }

    /// Bytes of the messages that a reader has to read after the last snapshot.
    #[must_use]
    pub fn tail_bytes(&self) -> u64 {
        todo!()
    }
}
