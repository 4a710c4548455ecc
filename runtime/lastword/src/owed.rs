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
    /// Bytes that its call, which is under way, has reserved.
    pub(crate) reserved: u64,
    /// Bytes that its last call asked for when it was put back: the next one reserves so much.
    pub(crate) wanted_memory: u64,
    /// Since its last attempt it was said to wait.
    pub(crate) deferred: bool,
}

impl Owed {
    pub(crate) fn new(sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) -> Self {
        let (session, event) = (session.clone(), event.clone());
        Self {
            sequence,
            key,
            session,
            event,
            attempt: 0,
            failures: 0,
            late: false,
            suspect: false,
            place: u32::MAX,
            reserved: 0,
            wanted_memory: 0,
            deferred: false,
        }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The call was put back: there was no attempt. It had, or asked for, so many bytes.
    pub(crate) fn put_back(&mut self, wanted_memory: u64) {
        self.attempt = self.attempt.saturating_sub(1);
        self.wanted_memory = self.wanted_memory.max(wanted_memory);
    }

    /// The call has come to an outcome: what waits after that waits anew.
    pub(crate) fn end_attempt(&mut self) {
        (self.deferred, self.wanted_memory) = (false, 0);
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
