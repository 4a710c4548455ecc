use std::sync::Arc;

use lastword_events::{
    Change, DeliveryId, DrainReason, Event, EventKey, FailureCause, JournalName, PluginName, Session, Timestamp,
    key_value_bytes,
};

use crate::KeyValueChanges;
use crate::limits::ROW_BYTES;

/// An event to be written down. `owed` names the plugins that are to be told of it.
#[derive(Clone, Debug)]
pub enum JournalOp {
    /// A session began. Its generation is assigned by the journal, whatever `session` says.
    Start {
        /// The session. (Shared, as everywhere: a journal that is the only one to hold it need not copy it.)
        session: Arc<Session>,
        /// An [`Event::Start`].
        event: Arc<Event>,
        /// Plugins with a `session-start` hook that serve the tenant.
        owed: Vec<PluginName>,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// More became known of a session that is active.
    Update {
        /// Its number.
        sequence: u64,
        /// All that is known now, with its generation.
        session: Arc<Session>,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// A session is being compacted.
    Compaction {
        /// Its number.
        sequence: u64,
        /// Counts the session's compaction events, from 1.
        n: u32,
        /// All that is known of it, with its generation.
        session: Arc<Session>,
        /// An [`Event::Compaction`].
        event: Arc<Event>,
        /// Plugins with a `session-compaction` hook that serve the tenant.
        owed: Vec<PluginName>,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// A session is being compacted that nobody had started: it is noted as active, as a new generation, and this is its
    /// first compaction event.
    CompactionWithoutStart {
        /// The session.
        session: Arc<Session>,
        /// An [`Event::Compaction`].
        event: Arc<Event>,
        /// Plugins with a `session-compaction` hook that serve the tenant.
        owed: Vec<PluginName>,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// An active session ended.
    End {
        /// Its number.
        sequence: u64,
        /// All that is known of it, its end included; with its generation.
        session: Arc<Session>,
        /// An [`Event::End`].
        event: Arc<Event>,
        /// Every plugin that serves the tenant, or was sent the session's start.
        owed: Vec<PluginName>,
        /// When its owner told of it; none for an end that the runtime has found out or decided.
        received: Option<Receipt>,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// A session ended that nobody had started: taken as a new generation.
    EndWithoutStart {
        /// The session.
        session: Arc<Session>,
        /// An [`Event::End`].
        event: Arc<Event>,
        /// Every plugin that serves the tenant.
        owed: Vec<PluginName>,
        /// When its owner told of it.
        received: Receipt,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// A session that has ended is seen to live: its next end is none that is told again.
    Alive {
        /// Its number.
        sequence: u64,
    },
    /// Who is installed in this run, and for which tenants; none stands for all. What is owed after a drain depends on it.
    Installed {
        /// In the order of the configuration.
        plugins: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
        /// Sessions that dead runs left are held for their owners: nobody is told of the end of one before that is
        /// recorded. So if this run dies as well, they can be held again.
        attaching: bool,
    },
    /// A delivery that is owed to nobody who is installed. It is kept, and shown as orphaned until the next run.
    Orphaned {
        /// Which.
        delivery: DeliveryKey,
        /// Whether newer events of the session id go ahead of it meanwhile.
        late: bool,
    },
    /// Every session that is active now is being ended. The first of a run wins.
    Draining {
        /// Why.
        reason: DrainReason,
        /// When.
        at: Timestamp,
    },
}

/// What a journal made of a [`JournalOp`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Appended {
    /// It is written down.
    Done,
    /// It is written down as a new generation of its id.
    Session {
        /// The session's number, never used again.
        sequence: u64,
        /// The session with its generation, shared with the journal so that it is in memory once.
        session: Arc<Session>,
    },
    /// A line of the same kind and session has had this `op_id`; nothing was changed.
    DuplicateOp {
        /// The generation that the first line with this `op_id` spoke of.
        generation: u32,
    },
}

/// An owner's telling of an end, as it is remembered for [`REPEATED_WITHIN`](crate::REPEATED_WITHIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When it came, by our clock.
    pub at: Timestamp,
    /// What it said, in the runtime's way: the journal only keeps it.
    pub said: u64,
}

/// A delivery without the journal's name, which all of its deliveries share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryKey {
    /// The session's number.
    pub sequence: u64,
    /// Which of its events.
    pub event: EventKey,
    /// Who is owed it.
    pub plugin: PluginName,
}

impl DeliveryKey {
    /// The delivery's id in the journal called `journal`.
    #[must_use]
    pub fn id(&self, journal: JournalName) -> DeliveryId {
        DeliveryId { journal, sequence: self.sequence, event: self.event, plugin: self.plugin.clone() }
    }
}

impl From<&DeliveryId> for DeliveryKey {
    fn from(id: &DeliveryId) -> Self {
        Self { sequence: id.sequence, event: id.event, plugin: id.plugin.clone() }
    }
}

/// How one attempt ended, as far as it matters for what is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which delivery.
    pub delivery: DeliveryKey,
    /// The attempt's number.
    pub attempt: u32,
    /// What the delivery is now.
    pub settlement: Settlement,
    /// What the guest changed; nothing comes of it unless the attempt delivered. (Boxed: few calls change anything, and all are
    /// handed over.)
    pub changes: Option<Box<KeyValueChanges>>,
}

impl Completion {
    /// What it counts for until it is written: the bytes that a guest has stored, and for each row what it takes to write it. A
    /// bound on what waits for a disk is in these.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        let changes = self.changes.iter().flat_map(|changes| &changes.changes);
        let stored = changes.map(|(key, change)| match change {
            Change::Set(value) => key_value_row_bytes(key, value),
            Change::Add(_) | Change::Delete => key_value_row_bytes(key, &[]),
        });
        let said = match &self.settlement {
            Settlement::Delivered => 0,
            Settlement::Owed { message, .. } | Settlement::Dead { message, .. } => message.len(),
        };
        stored.fold(ROW_BYTES.saturating_add(u64::try_from(said).unwrap_or(u64::MAX)), u64::saturating_add)
    }
}

/// What a key with its value counts for until it is written.
pub(crate) fn key_value_row_bytes(key: &str, value: &[u8]) -> u64 {
    key_value_bytes(key, value).saturating_add(ROW_BYTES)
}

/// What a delivery is after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done.
    Delivered,
    /// Still owed after a failure.
    Owed {
        /// Recorded failures so far.
        failures: u32,
        /// Whether newer events of the session id have gone ahead of it.
        late: bool,
        /// When the next attempt is due; none: as soon as possible.
        retry_at: Option<Timestamp>,
        /// The last failure's cause.
        cause: FailureCause,
        /// The last failure's message.
        message: String,
    },
    /// Given up until an operator redelivers or drops it.
    Dead {
        /// Recorded failures.
        failures: u32,
        /// The last one's cause.
        cause: FailureCause,
        /// The last one's message.
        message: String,
    },
}
