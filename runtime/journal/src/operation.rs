//! The operations of a journal, and what it makes of them.

use std::sync::Arc;

use lastword_events::{DrainReason, Event, PluginName, Session, Timestamp};
use serde::{Deserialize, Serialize};

use crate::DeliveryKey;

/// An operation to be written down. For an event, `owed` names the plugins to which the event is to be delivered.
///
/// A journal that is a log of operations keeps them as the JSON that serde makes of them. So names of variants and of fields stay, and what is
/// new has a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalOp {
    /// A session began. The journal assigns its generation, whatever `session` says.
    Start {
        /// The session. (It is shared: a journal that alone holds it need not copy it.)
        session: Arc<Session>,
        /// An [`Event::Start`].
        event: Arc<Event>,
        /// Plugins with a `session-start` hook that serve the tenant.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owed: Vec<PluginName>,
        /// The owner's name for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        op_id: Option<Arc<str>>,
    },
    /// More became known of a session that is active.
    Update {
        /// The session's number.
        sequence: u64,
        /// All that is known of the session now, with its generation.
        session: Arc<Session>,
        /// The owner's name for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        op_id: Option<Arc<str>>,
    },
    /// A session is being compacted.
    Compaction {
        /// The session's number.
        sequence: u64,
        /// Counts the session's compaction events, from 1.
        n: u32,
        /// All that is known of the session, with its generation.
        session: Arc<Session>,
        /// An [`Event::Compaction`].
        event: Arc<Event>,
        /// Plugins with a `session-compaction` hook that serve the tenant.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owed: Vec<PluginName>,
        /// The owner's name for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        op_id: Option<Arc<str>>,
    },
    /// A session is being compacted that nobody had started. It is registered as active, as a new generation, and this is its first
    /// compaction event.
    CompactionWithoutStart {
        /// The session.
        session: Arc<Session>,
        /// An [`Event::Compaction`].
        event: Arc<Event>,
        /// Plugins with a `session-compaction` hook that serve the tenant.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owed: Vec<PluginName>,
        /// The owner's name for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        op_id: Option<Arc<str>>,
    },
    /// An active session ended.
    End {
        /// The session's number.
        sequence: u64,
        /// All that is known of the session, its end included, with its generation.
        session: Arc<Session>,
        /// An [`Event::End`].
        event: Arc<Event>,
        /// Every plugin that serves the tenant, or was sent the session's start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owed: Vec<PluginName>,
        /// When the owner reported the end. None for an end that the runtime has found out or decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        received: Option<Receipt>,
        /// The owner's name for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        op_id: Option<Arc<str>>,
    },
    /// A session ended that nobody had started. It is recorded as a new generation.
    EndWithoutStart {
        /// The session.
        session: Arc<Session>,
        /// An [`Event::End`].
        event: Arc<Event>,
        /// Every plugin that serves the tenant.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owed: Vec<PluginName>,
        /// When the owner reported the end.
        received: Receipt,
        /// The owner's name for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        op_id: Option<Arc<str>>,
    },
    /// A session ended and another began, or was updated: both are recorded, or neither is. The two parts have one `op_id`, or none.
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
    /// The plugins that are installed when this run begins. After a drain these are the plugins that are owed the ends.
    Installed {
        /// The plugins in the order of the configuration, each with the tenants that it serves. None stands for every tenant.
        plugins: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
        /// Whether recovered sessions are held for their owners. Then no plugin hears of the end of such a session before the end is
        /// recorded, so the session can be held again if this run dies as well.
        attaching: bool,
    },
    /// The plugins that are installed from now on in this run. Each delivery that is orphaned by the change is recorded by itself.
    PluginsChanged {
        /// The plugins, as in [`Installed`](Self::Installed).
        plugins: Vec<(PluginName, Option<Vec<Arc<str>>>)>,
    },
    /// A delivery is owed to a plugin that is not installed. The delivery is kept, and shown as orphaned until it is
    /// [adopted](crate::DeliveryChange::Adopt), or until the next run.
    Orphaned {
        /// The delivery.
        delivery: DeliveryKey,
        /// Whether newer events of the session id go ahead meanwhile.
        late: bool,
    },
    /// A plugin that was sent the start of an active session is not owed the session's end for that. Nothing changes if no such session is
    /// active.
    EndNotOwed {
        /// The session's number.
        sequence: u64,
        /// The plugin.
        plugin: PluginName,
    },
    /// Every session that is active now is being ended. Only the first drain of a run counts.
    Draining {
        /// Why the run drains.
        reason: DrainReason,
        /// When the drain began.
        at: Timestamp,
    },
    /// The run has ended cleanly: for each call that began in it the outcome is on record, or the call is among `cut`. So the next run
    /// counts no attempt for deliveries that were not called. This is written last, once all outcomes are durable and no call can begin any
    /// more. A journal that could not record one of the outcomes skips this operation, and answers as if it were written.
    Ended {
        /// Calls that came to no outcome.
        cut: Vec<CutCall>,
    },
}

/// A call that a run has cut at its end, before the call came to an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutCall {
    /// The delivery of the call.
    pub delivery: DeliveryKey,
    /// The number of the attempt, which is used up.
    pub attempt: u32,
}

/// The result of a [`JournalOp`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Appended {
    /// The operation is written down.
    Done,
    /// The session is written down as a new generation of its id.
    Session {
        /// The session's number, never used again.
        sequence: u64,
        /// The session with its generation. It is shared with the journal, so that it is in memory once.
        session: Arc<Session>,
    },
    /// An earlier request of the same kind and session had this `op_id`. Nothing was changed.
    DuplicateOp {
        /// The generation of the session in the first request with this `op_id`.
        generation: u32,
    },
    /// Both parts of a [`JournalOp::Replace`] are written down, or both were before.
    Replaced {
        /// The result of the end.
        end: Box<Appended>,
        /// The result of the start.
        start: Box<Appended>,
    },
}

/// An owner's report of an end, which is remembered for [`DUPLICATE_WITHIN`](crate::DUPLICATE_WITHIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When the runtime received the report, by the runtime's clock.
    pub at: Timestamp,
    /// Which fields the report had, as bits of the runtime. The journal stores the bits and does not interpret them.
    pub said: u64,
}
