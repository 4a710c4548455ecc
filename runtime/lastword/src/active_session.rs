//! What is known of one active session.

use std::sync::Arc;

use lastword_events::{Event, PluginName, Session};

use crate::installed::{Epoch, Installed, Owed};
use crate::reported_fields::ReportedFields;
use crate::request::ReceivedEnd;
use crate::session_query::agent;

/// One active session.
#[derive(Clone, Debug)]
pub(crate) struct ActiveSession {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// Compaction events so far.
    pub(crate) compactions: u32,
    /// The set of plugins whose start hooks were sent its start in this run; 0 when none was.
    pub(crate) started_by: Epoch,
    /// What is known besides of a session that a dead run left active, or that plugins which are gone were sent the start of.
    pub(crate) recovered: Option<Box<RecoveredContext>>,
    /// Its end, when somebody has asked for it. (Boxed: few are ending at a time, and there may be a million.)
    pub(crate) ending: Option<Box<Ending>>,
}

/// An end that is not written down yet. A drain that takes the session over delivers this one, and none of its own.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The journal has been handed this end, and has not answered.
    Appended(Arc<RequestedEnd>),
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

/// What is known of a session that a dead run left active, and that its owner may go on with; or of one that has begun in this run, and
/// whose start was sent to a plugin that is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecoveredContext {
    /// Plugins that were sent its start, but for those that the installed ones say.
    pub(crate) started: Vec<PluginName>,
    /// Its owner has come back for it.
    pub(crate) attached: bool,
    /// The highest attempt of its end that a dead run may have made: one may have drained, and died before it could say so.
    pub(crate) attempt: u32,
}

impl ActiveSession {
    pub(crate) fn new(sequence: u64, session: Arc<Session>, compactions: u32) -> Self {
        Self { sequence, session, compactions, started_by: 0, recovered: None, ending: None }
    }

    /// The agent of which it is, if that is known.
    pub(crate) fn agent(&self) -> Option<&str> {
        agent(&self.session)
    }

    /// Its owner has spoken of it.
    pub(crate) fn attach(&mut self) {
        if let Some(recovered) = &mut self.recovered {
            recovered.attached = true;
        }
    }

    /// The highest attempt of its end that anyone may have made.
    pub(crate) fn attempt_of_end(&self) -> u32 {
        self.recovered.as_ref().map_or(0, |recovered| recovered.attempt)
    }

    /// Plugins that were sent its start by a dead run, or were to be, and those that were and are uninstalled since.
    pub(crate) fn started(&self) -> &[PluginName] {
        self.recovered.as_ref().map_or(&[], |recovered| &recovered.started)
    }

    /// Whether this plugin, which serves its tenant, was sent its start.
    pub(crate) fn was_sent_to(&self, plugin: &Installed) -> bool {
        plugin.was_sent_starts(self.started_by) || self.started().contains(plugin.name())
    }

    /// A plugin that was sent its start is not among the installed ones from now on.
    pub(crate) fn add_started(&mut self, plugin: &PluginName) {
        // The session is its owner's: nobody has to come back for it.
        let of_this_run = || Box::new(RecoveredContext { attached: true, ..RecoveredContext::default() });
        let started = &mut self.recovered.get_or_insert_with(of_this_run).started;
        if !started.contains(plugin) {
            started.push(plugin.clone());
        }
    }

    /// A plugin is not owed its end for having been sent its start.
    pub(crate) fn forget_started(&mut self, plugin: &PluginName) {
        if let Some(recovered) = &mut self.recovered {
            recovered.started.retain(|started| started != plugin);
        }
    }

    /// A dead run left it, and its owner has not come back for it.
    pub(crate) fn is_unattached(&self) -> bool {
        self.recovered.as_ref().is_some_and(|recovered| !recovered.attached)
    }

    /// A drain has taken the session over with this end.
    pub(crate) fn was_taken_over_with(&self, end: &Arc<ReceivedEnd>) -> bool {
        matches!(self.ending.as_deref(), Some(Ending::TakenOver(taken)) if Arc::ptr_eq(taken, end))
    }
}

/// A session whose end is a drain's business.
#[derive(Debug)]
pub(crate) struct Unended {
    pub(crate) sequence: u64,
    pub(crate) session: Arc<Session>,
    /// The highest attempt of its end, see [`ActiveSession::attempt_of_end`].
    pub(crate) attempt: u32,
}
