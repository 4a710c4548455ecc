use std::sync::Arc;

use lastword_events::{Event, EventKey, PluginName, Session};
use lastword_journal::DeliveryKey;

/// A delivery that is owed, on its way through lanes, queues and workers. Whose it is says the queue it is in.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) sequence: u64,
    pub(crate) key: EventKey,
    pub(crate) session: Arc<Session>,
    pub(crate) event: Arc<Event>,
    /// The number of the last attempt; 0 before the first.
    pub(crate) attempt: u32,
    /// Recorded failures.
    pub(crate) failures: u32,
    /// Newer events of the session id have gone ahead.
    pub(crate) late: bool,
    /// It may take the process down, and is made last and alone. Not any more once it was made in this run.
    pub(crate) suspect: bool,
    /// When it came into its lane, as the lane counts: sessions of one id that are active at once have no order of their own. One
    /// that is in no lane is newer than whatever is.
    pub(crate) place: u32,
    /// Since its last attempt it was said to wait.
    pub(crate) deferred: bool,
}

impl Owed {
    pub(crate) fn new(sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) -> Self {
        let (session, event) = (session.clone(), event.clone());
        let (attempt, failures, late, suspect, deferred) = (0, 0, false, false, false);
        Self { sequence, key, session, event, attempt, failures, late, suspect, place: u32::MAX, deferred }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The call was put back: there was no attempt.
    pub(crate) fn put_back(&mut self) {
        self.attempt = self.attempt.saturating_sub(1);
    }

    /// The call has come to an outcome: what waits after that waits anew.
    pub(crate) fn end_attempt(&mut self) {
        self.deferred = false;
    }

    /// It has to wait: a copy for whoever is to be told, the first time.
    pub(crate) fn defer(&mut self) -> Option<Self> {
        let first = !std::mem::replace(&mut self.deferred, true);
        first.then(|| self.clone())
    }

    pub(crate) fn is_end(&self) -> bool {
        self.key == EventKey::End
    }

    pub(crate) fn delivery_key(&self, plugin: &PluginName) -> DeliveryKey {
        DeliveryKey { sequence: self.sequence, event: self.key, plugin: plugin.clone() }
    }
}
