//! What is written down: operations of the journal, and what it made of them.

use std::sync::Arc;

use lastword_events::{DrainReason, Event, PluginName, Session, Timestamp};

use crate::DeliveryKey;

/// An operation to be written down. Where it is an event, `owed` names the plugins that it is to be delivered to.
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
        /// The session's number.
        sequence: u64,
        /// All that is known now, with its generation.
        session: Arc<Session>,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// A session is being compacted.
    Compaction {
        /// The session's number.
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
    /// A session is being compacted that nobody had started: it is registered as active, as a new generation, and this is
    /// its first compaction event.
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
        /// The session's number.
        sequence: u64,
        /// All that is known of it, its end included; with its generation.
        session: Arc<Session>,
        /// An [`Event::End`].
        event: Arc<Event>,
        /// Every plugin that serves the tenant, or was sent the session's start.
        owed: Vec<PluginName>,
        /// When its owner reported the end; none for an end that the runtime has found out or decided.
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
        /// When its owner reported the end.
        received: Receipt,
        /// The owner's name for this line.
        op_id: Option<Arc<str>>,
    },
    /// A session ended and another began, or was updated: both are recorded, or neither is. They have one `op_id`, or none.
    Replace {
        /// An [`End`](Self::End) or an [`EndWithoutStart`](Self::EndWithoutStart).
        end: Box<JournalOp>,
        /// A [`Start`](Self::Start) or an [`Update`](Self::Update).
        start: Box<JournalOp>,
    },
    /// Something was heard of a session that has ended: its next end is a new one, and no duplicate.
    Seen {
        /// The session's number.
        sequence: u64,
    },
    /// Who is installed in this run, and for which tenants; none stands for all. What is owed after a drain depends on it.
    Installed {
        /// In the order of the configuration.
        plugins: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
        /// Whether recovered sessions are held for their owners. No plugin then hears of the end of one before that end is
        /// recorded, so they can be held again if this run dies as well.
        attaching: bool,
    },
    /// Others are installed from now on in this run. Whose deliveries are orphaned for that is recorded one by one.
    PluginsChanged {
        /// As in [`Installed`](Self::Installed).
        plugins: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
    },
    /// A delivery that is owed to a plugin that is not installed. It is kept, and shown as orphaned until it is
    /// [adopted](crate::DeliveryChange::Adopt), or until the next run.
    Orphaned {
        /// The delivery.
        delivery: DeliveryKey,
        /// Whether newer events of the session id overtake it meanwhile.
        late: bool,
    },
    /// A plugin is not owed the end of an active session for having been sent its start. Nothing changes where no such session is
    /// active.
    EndNotOwed {
        /// The session's number.
        sequence: u64,
        /// The plugin.
        plugin: PluginName,
    },
    /// Every session that is active now is being ended. The first of a run wins.
    Draining {
        /// Why the run drains.
        reason: DrainReason,
        /// When the drain began.
        at: Timestamp,
    },
    /// The run has ended cleanly: of each call that began in it the outcome is on record, or the call is among `cut`. So the next run
    /// counts no attempt of what was not called. It is written last, once all outcomes are durable and no call can begin any more. A
    /// journal that could not record one of the outcomes leaves it out, and answers all the same.
    Ended {
        /// Calls that came to no outcome.
        cut: Vec<CutCall>,
    },
}

/// A call that a run has cut at its end, before it came to an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutCall {
    /// The delivery that it was a call of.
    pub delivery: DeliveryKey,
    /// The number of the attempt, which is used up.
    pub attempt: u32,
}

/// What a journal made of a [`JournalOp`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Appended {
    /// The operation is written down.
    Done,
    /// The session is written down as a new generation of its id.
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
    /// Both parts of a [`JournalOp::Replace`] are written down, or both were before.
    Replaced {
        /// What was made of the end.
        end: Box<Appended>,
        /// What was made of the start.
        start: Box<Appended>,
    },
}

/// An owner's report of an end, as it is remembered for [`DUPLICATE_WITHIN`](crate::DUPLICATE_WITHIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When the report came, by our clock.
    pub at: Timestamp,
    /// What the report said, as the runtime numbers it: the journal only keeps it.
    pub said: u64,
}
