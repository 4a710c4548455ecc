//! What is known of one active session.

use std::sync::Arc;

use lastword_events::{Event, PluginName, Session};

use crate::installed::{Installed, Owed, PluginSetNumber};
use crate::reported_fields::ReportedFields;
use crate::request::ReceivedEnd;
use crate::session_query::agent;

/// One active session.
#[derive(Clone, Debug)]
pub(crate) struct ActiveSession {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// How many compaction events the session has had.
    pub(crate) compactions: u32,
    /// The set of plugins that decided who is sent its start in this run; 0 when nobody was sent it.
    pub(crate) started_by: PluginSetNumber,
    /// Set for a session that a dead run left active, and for one whose start was sent to a plugin that is gone.
    pub(crate) extra: Option<Box<ExtraContext>>,
    /// Its end, once somebody has asked for it. (Boxed, because few of perhaps a million sessions are ending at a time.)
    pub(crate) ending: Option<Box<Ending>>,
}

/// An end that is not written down yet. A drain that takes the session over delivers this one, and none of its own.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The runtime has handed this end to the journal. The journal has not answered yet.
    Submitted(Arc<RequestedEnd>),
    /// The end waited for its turn when a drain took the session over: the drain has handed it to the journal.
    TakenOver(Arc<ReceivedEnd>),
}

/// An end of an active session, merged with what is known of the session.
#[derive(Debug)]
pub(crate) struct RequestedEnd {
    /// All that is known of the session, what the end says included.
    pub(crate) session: Arc<Session>,
    pub(crate) event: Arc<Event>,
    /// What its owner has reported; nothing, for an end that the runtime has decided.
    pub(crate) reported: ReportedFields,
    /// Whom the end is owed, as it is on record then.
    pub(crate) owed: Owed,
}

/// Facts that few sessions have. A session that a dead run left active has them, and its owner may go on with it. A session that began in
/// this run has them if its start was sent to a plugin that is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtraContext {
    /// Plugins that were sent the session's start and that `started_by` does not cover.
    pub(crate) started: Vec<PluginName>,
    /// Whether the owner has come back for the session.
    pub(crate) attached: bool,
    /// The highest attempt of the session's end that a dead run may have made: the run may have drained, and died before that was on
    /// record.
    pub(crate) attempt: u32,
}

impl ActiveSession {
    pub(crate) fn new(sequence: u64, session: Arc<Session>, compactions: u32) -> Self {
        Self { sequence, session, compactions, started_by: 0, extra: None, ending: None }
    }

    /// The agent that the session is of, if it is known.
    pub(crate) fn agent(&self) -> Option<&str> {
        agent(&self.session)
    }

    /// The owner has spoken of the session.
    pub(crate) fn attach(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.attached = true;
        }
    }

    /// The highest attempt of the session's end that any run may have made.
    pub(crate) fn attempt_of_end(&self) -> u32 {
        self.extra.as_ref().map_or(0, |extra| extra.attempt)
    }

    /// Plugins that were, or were to be, sent the session's start by a dead run; and plugins that were sent it and are uninstalled since.
    pub(crate) fn started(&self) -> &[PluginName] {
        self.extra.as_ref().map_or(&[], |extra| &extra.started)
    }

    /// Whether this plugin, which serves the session's tenant, was sent the session's start.
    pub(crate) fn was_sent_to(&self, plugin: &Installed) -> bool {
        plugin.was_sent_starts(self.started_by) || self.started().contains(plugin.name())
    }

    /// Keeps the name of a plugin that was sent the session's start, because it is not among the installed ones from now on.
    pub(crate) fn add_started(&mut self, plugin: &PluginName) {
        // The session is its owner's: nobody has to come back for it.
        let of_this_run = || Box::new(ExtraContext { attached: true, ..ExtraContext::default() });
        let started = &mut self.extra.get_or_insert_with(of_this_run).started;
        if !started.contains(plugin) {
            started.push(plugin.clone());
        }
    }

    /// Forgets that a plugin was sent the session's start: it is not owed the end for that any more.
    pub(crate) fn forget_started(&mut self, plugin: &PluginName) {
        if let Some(extra) = &mut self.extra {
            extra.started.retain(|started| started != plugin);
        }
    }

    /// Whether a dead run left the session, and its owner has not come back for it.
    pub(crate) fn is_unattached(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| !extra.attached)
    }

    /// Whether a drain has taken the session over with this end.
    pub(crate) fn was_taken_over_with(&self, end: &Arc<ReceivedEnd>) -> bool {
        matches!(self.ending.as_deref(), Some(Ending::TakenOver(taken)) if Arc::ptr_eq(taken, end))
    }
}

/// A session that a drain ends.
#[derive(Debug)]
pub(crate) struct Unended {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// The highest attempt of its end, see [`ActiveSession::attempt_of_end`].
    pub(crate) attempt: u32,
}
