//! Sessions and deliveries that dead runs left, for the next run.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword_events::{DrainReason, Event, Identity, PluginName, Session, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{DeliveryKey, Receipt};

/// Sessions and deliveries that dead runs left, for the next run.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Sessions whose end is not recorded, by sequence number.
    pub sessions: Vec<RecoveredSession>,
    /// Recorded deliveries that are still owed, by sequence number and then in the order of events.
    pub deliveries: Vec<PendingDelivery>,
    /// Ends that owners have reported within [`DUPLICATE_WITHIN`](crate::DUPLICATE_WITHIN) before now, by the runtime's clock. Nothing was
    /// heard of their sessions since.
    pub ended: Vec<RecentEnd>,
    /// How many deliveries of each plugin were given up, and wait for an operator.
    pub dead: BTreeMap<PluginName, u64>,
}

/// An end that its owner may report again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecentEnd {
    /// The session's number.
    pub sequence: u64,
    /// The session's tenant, id and scope.
    pub identity: Identity,
    /// The session's generation.
    pub generation: u32,
    /// The session's agent, if one was named.
    pub agent_id: Option<String>,
    /// When the session ended, by its owner's clock.
    pub ended_at: Timestamp,
    /// When the owner reported the end, and which fields the report had.
    pub received: Receipt,
}

/// A session that was active when its run died.
#[derive(Clone, Debug)]
pub struct RecoveredSession {
    /// The session's number.
    pub sequence: u64,
    /// All that is known of the session, with its generation.
    pub session: Arc<Session>,
    /// How many compaction events the session has had.
    pub compactions: u32,
    /// Plugins that were owed the session's start.
    pub started: Vec<PluginName>,
    /// Whether the owner may go on with the session. That is so if no run can have told anyone of the session's end since the owner last
    /// spoke of it: each of these runs was [attaching](crate::JournalOp::Installed), and did not drain.
    pub attachable: bool,
    /// The highest attempt of the session's end that a dead run may have made, for plugins that are not among the
    /// [tried](DrainedEnd::tried). The next attempt has the next number.
    pub attempt: u32,
    /// The results of drains for the session's end. [`drained`](Self::drained) reads them. (Boxed: after a crash a million sessions have
    /// none.)
    pub drained: Option<Box<DrainedEnd>>,
}

impl RecoveredSession {
    /// Whether a drain is done with the session's end: it was delivered or given up for every plugin that is owed it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let drained = self.drained();
        let owed =
            drained.owed.iter().flatten().chain(&self.started).chain(drained.tried.iter().map(|end| &end.plugin));
        drained.drain.is_some() && drained.owed.is_some() && owed.clone().all(|plugin| drained.settled.contains(plugin))
    }

    /// The results of drains for the session's end. Most sessions have none.
    #[must_use]
    pub fn drained(&self) -> &DrainedEnd {
        static NOTHING: DrainedEnd =
            DrainedEnd { drain: None, owed: None, settled: Vec::new(), tried: Vec::new(), suspect: Vec::new() };
        self.drained.as_deref().unwrap_or(&NOTHING)
    }

    /// The highest attempt of the session's end that a dead run may have made for this plugin. The next attempt has the next number.
    #[must_use]
    pub fn attempt_for(&self, plugin: &PluginName) -> u32 {
        self.drained().tried.iter().find(|end| end.plugin == *plugin).map_or(self.attempt, |end| end.attempt)
    }
}

/// The end of a session that a drain had begun, or was to make, when its run died.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DrainedEnd {
    /// The drain of the run that first found the session active, if it drained.
    pub drain: Option<(DrainReason, Timestamp)>,
    /// Plugins that served the session's tenant when that drain began. The end is owed to these, whichever plugins are installed now.
    pub owed: Option<Vec<PluginName>>,
    /// Plugins for which the end needs no further attempt: it was delivered, or is dead, in that drain.
    pub settled: Vec<PluginName>,
    /// Plugins for which a drain has tried the end and not settled it: the attempt has failed, or was cut.
    pub tried: Vec<TriedEnd>,
    /// Plugins for which the end may take the process down, see [`PendingDelivery::suspect`].
    pub suspect: Vec<PluginName>,
}

/// The end of a session, for one plugin. A drain has tried it, and it is still owed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TriedEnd {
    /// The plugin.
    pub plugin: PluginName,
    /// How often the end has failed.
    pub failures: u32,
    /// The highest attempt that a dead run may have made. The next attempt has the next number.
    pub attempt: u32,
}

/// A recorded delivery that is still owed.
#[derive(Clone, Debug)]
pub struct PendingDelivery {
    /// The delivery.
    pub delivery: DeliveryKey,
    /// The session of the event.
    pub session: Arc<Session>,
    /// The event.
    pub event: Arc<Event>,
    /// The highest attempt that a dead run may have made. The next attempt has the next number.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// Whether newer events of the session id have gone ahead.
    pub late: bool,
    /// Whether a call of the delivery was under way when two runs or more died without having [ended their
    /// marks](crate::Journal::end_call_marks). Such a delivery is made after everything else, and with nothing else under way.
    pub suspect: bool,
}
