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
}

impl Owed {
    pub(crate) fn new(sequence: u64, key: EventKey, session: &Arc<Session>, event: &Arc<Event>) -> Self {
        Self { sequence, key, session: session.clone(), event: event.clone(), attempt: 0, failures: 0, late: false }
    }

    pub(crate) fn is_end(&self) -> bool {
        self.key == EventKey::End
    }

    pub(crate) fn delivery_key(&self, plugin: &PluginName) -> DeliveryKey {
        DeliveryKey { sequence: self.sequence, event: self.key, plugin: plugin.clone() }
    }
}
