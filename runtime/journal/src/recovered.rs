use std::sync::Arc;

use lastword_events::{DrainReason, Event, Identity, PluginName, Session, Timestamp};

use crate::{DeliveryKey, Receipt};

/// What dead runs left behind.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Sessions whose end is not recorded, by sequence number.
    pub sessions: Vec<RecoveredSession>,
    /// Recorded deliveries that are still owed, by sequence number and then in the order of events.
    pub deliveries: Vec<PendingDelivery>,
    /// Ends that owners have told of within [`REPEATED_WITHIN`](crate::REPEATED_WITHIN) before now, by our clock, of sessions of
    /// which nothing was heard since.
    pub ended: Vec<RecentEnd>,
}

/// An end that its owner may tell of again.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentEnd {
    /// The session's number.
    pub sequence: u64,
    /// Whose.
    pub identity: Identity,
    /// Which generation.
    pub generation: u32,
    /// The agent that it was of, if one was named.
    pub agent_id: Option<String>,
    /// When it ended, as its owner has it.
    pub ended_at: Timestamp,
    /// When its owner told of it, and what was said.
    pub received: Receipt,
}

/// A session that a dead run left active.
#[derive(Clone, Debug)]
pub struct RecoveredSession {
    /// Its number.
    pub sequence: u64,
    /// With its generation.
    pub session: Arc<Session>,
    /// How many compaction events it has had.
    pub compactions: u32,
    /// Plugins that were owed its start.
    pub started: Vec<PluginName>,
    /// Whether its owner may go on with it: no run since its owner last noted it can have told anyone of its end. Each was
    /// [attaching](crate::JournalOp::Installed), and did not drain.
    pub attachable: bool,
    /// The highest attempt of its end that a dead run may have made; the next attempt's number is one more.
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
            drained.owed.iter().flatten().chain(&self.started).chain(drained.failed.iter().map(|(plugin, _)| plugin));
        drained.drain.is_some() && drained.owed.is_some() && owed.clone().all(|plugin| drained.settled.contains(plugin))
    }

    /// What drains have begun of its end; nothing of most.
    #[must_use]
    pub fn drained(&self) -> &DrainedEnd {
        static NOTHING: DrainedEnd =
            DrainedEnd { drain: None, owed: None, settled: Vec::new(), failed: Vec::new(), suspect: Vec::new() };
        self.drained.as_deref().unwrap_or(&NOTHING)
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
    /// Failed ends of that drain: who, and how often it has failed.
    pub failed: Vec<(PluginName, u32)>,
    /// Plugins whose end may take the process down, see [`PendingDelivery::suspect`].
    pub suspect: Vec<PluginName>,
}

/// A recorded delivery that is still owed.
#[derive(Clone, Debug)]
pub struct PendingDelivery {
    /// Which.
    pub delivery: DeliveryKey,
    /// Whose event.
    pub session: Arc<Session>,
    /// What happened.
    pub event: Arc<Event>,
    /// The highest attempt that a dead run may have made; the next attempt's number is one more.
    pub attempt: u32,
    /// Recorded failures.
    pub failures: u32,
    /// Whether newer events of the session id have gone ahead of it.
    pub late: bool,
    /// It was under way when two runs or more died without [leaving](crate::Journal::leave): it is to be made after everything
    /// else, and with nothing else under way.
    pub suspect: bool,
}

/// The highest attempt that may have been made of something by the time run `run` begins, where `attempt` was right in run `in_run`: every run
/// since may have made one more, without a trace.
pub fn attempt_in_run(attempt: u32, in_run: u32, run: u32) -> u32 {
    attempt.saturating_add(run.saturating_sub(in_run))
}
