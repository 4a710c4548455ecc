//! What dead runs left, as the next run finds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use lastword_events::{DrainReason, Event, Identity, PluginName, Session, Timestamp};

use crate::{DeliveryKey, Receipt};

/// What dead runs left, as the next run finds it.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Sessions whose end is not recorded, by sequence number.
    pub sessions: Vec<RecoveredSession>,
    /// Recorded deliveries that are still owed, by sequence number and then in the order of events.
    pub deliveries: Vec<PendingDelivery>,
    /// Ends that owners have reported within [`DUPLICATE_WITHIN`](crate::DUPLICATE_WITHIN) before now, by our clock, of sessions of
    /// which nothing was heard since.
    pub ended: Vec<RecentEnd>,
    /// How many deliveries of each plugin were given up, and wait for an operator.
    pub dead: BTreeMap<PluginName, u64>,
}

/// An end that its owner may report again.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentEnd {
    /// The session's number.
    pub sequence: u64,
    /// The session's tenant, id and scope.
    pub identity: Identity,
    /// The session's generation.
    pub generation: u32,
    /// The agent that the session was of, if one was named.
    pub agent_id: Option<String>,
    /// When the session ended, by its owner's clock.
    pub ended_at: Timestamp,
    /// When its owner reported the end, and what the report said.
    pub received: Receipt,
}

/// A session that was active when its run died.
#[derive(Clone, Debug)]
pub struct RecoveredSession {
    /// The session's number.
    pub sequence: u64,
    /// All that is known of it, with its generation.
    pub session: Arc<Session>,
    /// How many compaction events it has had.
    pub compactions: u32,
    /// Plugins that were owed its start.
    pub started: Vec<PluginName>,
    /// Whether its owner may go on with it: since its owner last spoke of it no run can have told anyone of its end. Each was
    /// [attaching](crate::JournalOp::Installed), and did not drain.
    pub attachable: bool,
    /// The highest attempt of its end that a dead run may have made, to a plugin that is not among the
    /// [tried](DrainedEnd::tried); the next attempt's number is one more.
    pub attempt: u32,
    /// What drains have begun of its end; [`drained`](Self::drained) reads it. (Boxed: after a crash there is none, of a
    /// million sessions.)
    pub drained: Option<Box<DrainedEnd>>,
}

impl RecoveredSession {
    /// A drain is done with its end: every plugin that is owed it has it, or has given it up.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let drained = self.drained();
        let owed =
            drained.owed.iter().flatten().chain(&self.started).chain(drained.tried.iter().map(|end| &end.plugin));
        drained.drain.is_some() && drained.owed.is_some() && owed.clone().all(|plugin| drained.settled.contains(plugin))
    }

    /// What drains have begun of its end. Of most sessions that is nothing.
    #[must_use]
    pub fn drained(&self) -> &DrainedEnd {
        static NOTHING: DrainedEnd =
            DrainedEnd { drain: None, owed: None, settled: Vec::new(), tried: Vec::new(), suspect: Vec::new() };
        self.drained.as_deref().unwrap_or(&NOTHING)
    }

    /// The highest attempt of its end to this plugin that a dead run may have made; the next attempt's number is one more.
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
    /// Plugins that served its tenant when that drain began: it is to them that its end is owed, whoever is installed now.
    pub owed: Option<Vec<PluginName>>,
    /// Plugins whose end needs no further attempt: delivered or dead in that drain.
    pub settled: Vec<PluginName>,
    /// Plugins whose end a drain has tried and not settled: the attempt has failed, or it was cut.
    pub tried: Vec<TriedEnd>,
    /// Plugins whose end may take the process down, see [`PendingDelivery::suspect`].
    pub suspect: Vec<PluginName>,
}

/// The end of a session, to one plugin, that a drain has tried and that is still owed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TriedEnd {
    /// The plugin.
    pub plugin: PluginName,
    /// How often it has failed.
    pub failures: u32,
    /// The highest attempt that a dead run may have made; the next attempt's number is one more.
    pub attempt: u32,
}

/// A recorded delivery that is still owed.
#[derive(Clone, Debug)]
pub struct PendingDelivery {
    /// The delivery.
    pub delivery: DeliveryKey,
    /// The session that the event is of.
    pub session: Arc<Session>,
    /// What happened.
    pub event: Arc<Event>,
    /// The highest attempt that a dead run may have made; the next attempt's number is one more.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// Whether newer events of the session id have overtaken it.
    pub late: bool,
    /// A call of it was under way when two runs or more died without having [ended their marks](crate::Journal::end_call_marks): it is to be
    /// made after everything else, and with nothing else under way.
    pub suspect: bool,
}
