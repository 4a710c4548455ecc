//! Key-value storage whose look-ups count as the guest's time.
//!
//! A look-up keeps the guest's thread, for a lock or for a disk. Its time on the processor counts as the guest's own anyway. The rest
//! would not count, and a guest with many look-ups on a slow disk would run beyond its deadline.

use std::sync::Arc;
use std::time::Instant;

use lastword_events::PluginName;

use crate::call_context::CallContext;
use lastword_events::{KeyValueError, KeyValueUsage, KeyValues};

/// The storage of a call.
pub(crate) struct TimedKeyValues<T: 'static> {
    store: Arc<dyn KeyValues>,
    context: Arc<CallContext<T>>,
}

impl<T> TimedKeyValues<T> {
    pub(crate) fn new(store: Arc<dyn KeyValues>, context: Arc<CallContext<T>>) -> Self {
        Self { store, context }
    }

    fn timed<R>(&self, look_up: impl FnOnce(&dyn KeyValues) -> R) -> R {
        let began = Instant::now();
        let found = look_up(&*self.store);
        self.context.meter.host_kept_thread(began, Instant::now());
        found
    }
}

impl<T> KeyValues for TimedKeyValues<T> {
    fn get(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.timed(|store| store.get(tenant, plugin, key))
    }

    fn value_len(&self, tenant: &str, plugin: &PluginName, key: &str) -> Result<Option<u64>, KeyValueError> {
        self.timed(|store| store.value_len(tenant, plugin, key))
    }

    fn keys(
        &self,
        tenant: &str,
        plugin: &PluginName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KeyValueError> {
        self.timed(|store| store.keys(tenant, plugin, after, limit))
    }

    fn usage(&self, tenant: &str, plugin: &PluginName) -> Result<KeyValueUsage, KeyValueError> {
        self.timed(|store| store.usage(tenant, plugin))
    }
}
